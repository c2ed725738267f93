//! The MPI library of the machine, opened at run time.
//!
//! Nothing is built against it: the functions that are called here have the same parameters in every MPI, and the few
//! values that differ are those of three binary interfaces: the standard one of MPI 5, that of MPICH and its kin, and
//! Open MPI's.

#![allow(
    unsafe_code,
    reason = "functions of another library; the standard MPI 4.1 gives what each of them needs"
)]

use std::ffi::{c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::process;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

use super::Messages;
use super::launch::{Launch, Launcher};
use crate::error::{Error, Result};

/// A communicator or a datatype: a pointer, or an `int` of 32 bits, which a register or a place on the stack of a machine
/// of 64 bits holds in its lower half.
type Handle = usize;

/// Level of `MPI_Init_thread` at which any thread makes calls, one at a time: of the standard interface, and of both older
/// ones.
const SERIALIZED: [c_int; 2] = [2048, 2];

/// Bytes that any library's name of itself fits.
const MOST_VERSION: usize = 8192;

/// Time for a launcher to pass on what a process has said last: MPICH's may end before.
const PASSING_ON: Duration = Duration::from_millis(250);

const SUCCESS: c_int = 0;

/// File names of a library: of the standard interface, of MPICH's, of Open MPI's.
#[cfg(not(target_os = "macos"))]
const FILES: [&[&str]; 3] = [
    &["libmpi_abi.so.1", "libmpi_abi.so.0"],
    &["libmpi.so.12", "libmpich.so.12"],
    &["libmpi.so.40"],
];
#[cfg(target_os = "macos")]
const FILES: [&[&str]; 3] = [
    &["libmpi_abi.1.dylib", "libmpi_abi.0.dylib"],
    &["libmpi.12.dylib", "libmpich.12.dylib"],
    &["libmpi.40.dylib"],
];

/// Names under which libraries of MPICH's interface know themselves.
const KIN_OF_MPICH: [&str; 4] = ["MPICH", "Intel", "MVAPICH", "ParaStation"];

type OfWorld = unsafe extern "C" fn(Handle, *mut c_int) -> c_int;
type Exchange =
    unsafe extern "C" fn(*const c_void, c_int, Handle, *mut c_void, c_int, Handle, Handle) -> c_int;

/// The processes that a launcher has started.
pub(super) struct Mpi {
    world: Handle,
    byte: Handle,
    all_to_all: Exchange,
    all_gather: Exchange,
    broadcast: unsafe extern "C" fn(*mut c_void, c_int, Handle, c_int, Handle) -> c_int,
    abort: unsafe extern "C" fn(Handle, c_int) -> c_int,
    finalize: unsafe extern "C" fn() -> c_int,
    rank: usize,
    count: usize,
    version: String,
    /// Held during each call.
    calling: Mutex<()>,
    /// Never closed: threads of it may live until the process ends.
    _library: ManuallyDrop<Library>,
}

/// A function of a library, or the address of a value.
///
/// # Safety
/// `T` has to be a pointer to a function of that type, or to any value.
unsafe fn symbol<T: Copy>(library: &Library, name: &str) -> Result<T> {
    // SAFETY: the type is the caller's promise. A copy of the pointer outlives its borrow, as the library is never closed.
    unsafe { library.get::<T>(name.as_bytes()) }
        .map(|found| *found)
        .map_err(|reason| {
            let hint = "another MPI: Open MPI 3 or later, MPICH 3 or later, or one of MPI 5";
            Error::device(format!("the MPI library has no {name}: {reason}"), hint)
        })
}

/// The first library that can be opened, the launcher's own before others; whether it is of the standard interface.
fn open(launcher: Launcher) -> Result<(Library, bool)> {
    let [standard, mpich, open_mpi] = FILES;
    let order = match launcher {
        Launcher::OpenMpi => [open_mpi, standard, mpich],
        Launcher::Mpich | Launcher::Any => [standard, mpich, open_mpi],
    };
    let mut reasons = Vec::new();
    for name in order.concat() {
        // SAFETY: what the library does as it is opened is its own affair. Open MPI's parts look for symbols of the whole,
        // hence `RTLD_GLOBAL`.
        match unsafe { Library::open(Some(name), RTLD_NOW | RTLD_GLOBAL) } {
            Ok(library) => return Ok((library, standard.contains(&name))),
            Err(reason) => reasons.push(format!("\n    {reason}")),
        }
    }
    Err(Error::device(
        format!(
            "a launcher has started several processes, and no MPI library can be opened to join them:{}",
            reasons.concat()
        ),
        "the MPI of the launcher (Debian, Ubuntu: apt install openmpi-bin, or mpich), with its folder in LD_LIBRARY_PATH \
         where it is none of the system's",
    ))
}

/// How a library calls itself.
fn version(library: &Library) -> Result<String> {
    type GetVersion = unsafe extern "C" fn(*mut c_char, *mut c_int) -> c_int;
    let mut text = vec![0u8; MOST_VERSION];
    let mut len = 0;
    // SAFETY: it may be called before the others and writes at most `MPI_MAX_LIBRARY_VERSION_STRING` bytes, which is 8192
    // or less in all of them.
    let code = unsafe {
        let get: GetVersion = symbol(library, "MPI_Get_library_version")?;
        get(text.as_mut_ptr().cast(), &mut len)
    };
    check(code, "MPI_Get_library_version")?;
    text.truncate(usize::try_from(len).unwrap_or(0));
    // Some have pages of how they were built behind it.
    let text = String::from_utf8_lossy(&text);
    let name = text.split([',', '\n', '\0']).next().unwrap_or_default();
    Ok(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The communicator of all processes, and the type of bytes.
fn handles(library: &Library, is_standard: bool, version: &str) -> Result<[Handle; 2]> {
    if is_standard {
        return Ok([0x101, 0x247]);
    }
    // SAFETY: the addresses of two structures of the library; what is there is not looked at.
    let address = |name| unsafe { symbol::<*mut c_void>(library, name) }.map(|at| at as Handle);
    if let Ok(world) = address("ompi_mpi_comm_world") {
        return Ok([world, address("ompi_mpi_byte")?]);
    }
    if KIN_OF_MPICH.iter().any(|name| version.contains(name)) {
        return Ok([0x4400_0000, 0x4c00_010d]);
    }
    Err(Error::device(
        format!(
            "the MPI library calls itself `{version}`, whose binary interface is not known here"
        ),
        "Open MPI, MPICH or one of its kin, or an MPI with the standard interface of MPI 5 (libmpi_abi)",
    ))
}

fn check(code: c_int, function: &str) -> Result<()> {
    match code {
        SUCCESS => Ok(()),
        code => Err(Error::device(
            format!("{function} failed with code {code}"),
            "the same once more; if it stays, the messages of the launcher above",
        )),
    }
}

impl Mpi {
    /// Joins the processes of a launch. Once in a process.
    pub(super) fn join(launch: &Launch) -> Result<Self> {
        type Init = unsafe extern "C" fn(*mut c_void, *mut c_void, c_int, *mut c_int) -> c_int;
        let (library, is_standard) = open(launch.launcher)?;
        let version = version(&library)?;
        let [world, byte] = handles(&library, is_standard, &version)?;
        let level = SERIALIZED[usize::from(!is_standard)];
        let (mut given, mut rank, mut count) = (0, 0, 0);
        // SAFETY: the types are those of the functions in every MPI. It is initialised once, without arguments, as the
        // standard allows. All later calls hold `calling`.
        unsafe {
            let init: Init = symbol(&library, "MPI_Init_thread")?;
            check(
                init(null_mut(), null_mut(), level, &mut given),
                "MPI_Init_thread",
            )?;
            let of_world: OfWorld = symbol(&library, "MPI_Comm_rank")?;
            check(of_world(world, &mut rank), "MPI_Comm_rank")?;
            let of_world: OfWorld = symbol(&library, "MPI_Comm_size")?;
            check(of_world(world, &mut count), "MPI_Comm_size")?;
            Ok(Self {
                world,
                byte,
                all_to_all: symbol(&library, "MPI_Alltoall")?,
                all_gather: symbol(&library, "MPI_Allgather")?,
                broadcast: symbol(&library, "MPI_Bcast")?,
                abort: symbol(&library, "MPI_Abort")?,
                finalize: symbol(&library, "MPI_Finalize")?,
                rank: usize::try_from(rank).unwrap_or(0),
                count: usize::try_from(count).unwrap_or(1),
                version,
                calling: Mutex::new(()),
                _library: ManuallyDrop::new(library),
            })
        }
    }

    /// How the library calls itself.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    fn calling(&self) -> MutexGuard<'_, ()> {
        self.calling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of a part as the library counts them.
    fn len(bytes: usize) -> Result<c_int> {
        c_int::try_from(bytes)
            .map_err(|_| Error::internal(format!("a message of {bytes} bytes to a process")))
    }

    fn exchange(
        &self,
        function: Exchange,
        name: &str,
        [sent, received]: [(*const u8, usize); 2],
    ) -> Result<()> {
        let [sent_len, received_len] = [Self::len(sent.1)?, Self::len(received.1)?];
        let _calling = self.calling();
        // SAFETY: both callers give as many parts of that length as the function reads and writes.
        let code = unsafe {
            function(
                sent.0.cast(),
                sent_len,
                self.byte,
                received.0.cast_mut().cast(),
                received_len,
                self.byte,
                self.world,
            )
        };
        check(code, name)
    }
}

impl Messages for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn all_to_all(&self, sent: &[u8], received: &mut [u8]) -> Result<()> {
        let len = sent.len() / self.count;
        assert!(sent.len() == len * self.count && received.len() == sent.len());
        let parts = [
            (sent.as_ptr(), len),
            (received.as_mut_ptr().cast_const(), len),
        ];
        self.exchange(self.all_to_all, "MPI_Alltoall", parts)
    }

    fn all_gather(&self, sent: &[u8], received: &mut [u8]) -> Result<()> {
        assert!(received.len() == sent.len() * self.count);
        let len = sent.len();
        let parts = [
            (sent.as_ptr(), len),
            (received.as_mut_ptr().cast_const(), len),
        ];
        self.exchange(self.all_gather, "MPI_Allgather", parts)
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<()> {
        let len = Self::len(bytes.len())?;
        let _calling = self.calling();
        // SAFETY: as many bytes as are there are read on the first process and written on the others.
        let code =
            unsafe { (self.broadcast)(bytes.as_mut_ptr().cast(), len, self.byte, 0, self.world) };
        check(code, "MPI_Bcast")
    }

    fn abort(&self, code: u8) -> ! {
        thread::sleep(PASSING_ON);
        // SAFETY: it needs nothing but an initialised library, and does not come back.
        unsafe { (self.abort)(self.world, c_int::from(code)) };
        process::exit(i32::from(code))
    }

    fn finish(&self) -> Result<()> {
        let _calling = self.calling();
        // SAFETY: no call comes after it: the run of the process is over.
        check(unsafe { (self.finalize)() }, "MPI_Finalize")
    }
}
