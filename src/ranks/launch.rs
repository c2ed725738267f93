//! What a launcher's variables say of the processes that it has started.

use std::fs;

use crate::error::{Error, Result};

/// Whose launcher it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Launcher {
    /// That of Open MPI.
    OpenMpi,
    /// That of MPICH, or of one of its kin.
    Mpich,
    /// One that starts programs of several.
    Any,
}

/// Processes that were started together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) launcher: Launcher,
    /// The variable that says so.
    variable: &'static str,
    /// How many; `None` where it does not say.
    count: Option<usize>,
}

/// Variables with the number of processes, that of one which starts another's launcher last: where Slurm starts the
/// helpers of `mpirun`, these hand its variables on. `SLURM_NTASKS` is not among them, as the script of a batch has
/// it too, which is one process.
const COUNTS: [(&str, Launcher); 4] = [
    ("OMPI_COMM_WORLD_SIZE", Launcher::OpenMpi),
    ("MV2_COMM_WORLD_SIZE", Launcher::Mpich),
    ("PMI_SIZE", Launcher::Mpich),
    ("SLURM_STEP_NUM_TASKS", Launcher::Any),
];

/// A variable of each process of a launcher that may have no other.
const PMIX: &str = "PMIX_RANK";

/// The launch that variables speak of; `None` where there is one process.
///
/// # Errors
/// [`Error::Config`] where one is no number, and where two of MPI's own launchers disagree.
pub(super) fn find(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Launch>> {
    let mut found: Vec<Launch> = Vec::new();
    for (name, launcher) in COUNTS {
        let Some(text) = variable(name).filter(|text| !text.is_empty()) else {
            continue;
        };
        let count = text.trim().parse().ok().filter(|count| *count > 0);
        let count = count.ok_or_else(|| {
            Error::config(
                format!("{name}={text}: expected the number of processes that a launcher started"),
                format!("`unset {name}`, or the launcher once more"),
            )
        })?;
        found.push(Launch {
            launcher,
            variable: name,
            count: Some(count),
        });
    }
    let own = found.iter().filter(|it| it.launcher != Launcher::Any);
    let own: Vec<&Launch> = own.collect();
    if let [one, .., other] = own[..]
        && one.count != other.count
    {
        let [a, b] = [one, other].map(|it| (it.variable, it.count.unwrap_or(0)));
        return Err(Error::config(
            format!(
                "{}={} and {}={}: two launchers disagree about the number of processes",
                a.0, a.1, b.0, b.1
            ),
            format!(
                "`unset {}` or `unset {}`, whichever an earlier program left",
                a.0, b.0
            ),
        ));
    }
    if own.is_empty() && variable(PMIX).is_some() {
        let count = found.first().and_then(|it| it.count);
        return Ok((count != Some(1)).then_some(Launch {
            launcher: Launcher::OpenMpi,
            variable: PMIX,
            count,
        }));
    }
    Ok(found.into_iter().next().filter(|it| it.count != Some(1)))
}

impl Launch {
    /// Checks that MPI knows of as many processes.
    ///
    /// # Errors
    /// [`Error::Config`] where it is another launcher's.
    #[cfg(all(unix, target_pointer_width = "64", target_endian = "little"))]
    pub(super) fn check(&self, count: usize, library: &str) -> Result<()> {
        match self.count {
            Some(said) if said != count => Err(Error::config(
                format!(
                    "{}={said}, but {library} knows of {count}: it is not the MPI of the launcher",
                    self.variable
                ),
                "the `mpirun` of that MPI; under Slurm the option `mpi` of srun, whose value `list` shows what there is; or LD_LIBRARY_PATH with \
                 the folder of the launcher's MPI",
            )),
            _ => Ok(()),
        }
    }

    /// What is wrong with a launch where no MPI is known.
    #[cfg(not(all(unix, target_pointer_width = "64", target_endian = "little")))]
    pub(super) fn unsupported(&self) -> Error {
        Error::config(
            format!(
                "{}: training in several processes needs Linux or macOS on 64 bits",
                self.variable
            ),
            format!("a single process, without {}", self.variable),
        )
    }
}

/// The processors that this process may use, as text to compare; empty where the system does not say.
pub(super) fn processors() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let allowed = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    allowed.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Result<Option<Launch>> {
        find(|name| {
            let known = variables.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| (*value).to_owned())
        })
    }

    fn launcher(variables: &[(&str, &str)]) -> Option<(Launcher, Option<usize>)> {
        let launch = found(variables).expect("variables that agree");
        launch.map(|launch| (launch.launcher, launch.count))
    }

    #[test]
    fn one_process_is_no_launch() {
        for variables in [
            &[][..],
            &[("OMPI_COMM_WORLD_SIZE", "1")],
            &[("PMI_SIZE", "1"), ("SLURM_STEP_NUM_TASKS", "1")],
            // The script of a batch with four tasks, and a shell in a step of one.
            &[("SLURM_NTASKS", "4")],
            &[("SLURM_STEP_NUM_TASKS", "1"), ("PMIX_RANK", "0")],
            &[("PMI_SIZE", "")],
        ] {
            assert_eq!(launcher(variables), None, "{variables:?}");
        }
    }

    #[test]
    fn a_launch_is_that_of_the_launcher_behind_all_others() {
        for (variables, expected) in [
            (
                &[("OMPI_COMM_WORLD_SIZE", "4"), ("PMIX_RANK", "2")][..],
                (Launcher::OpenMpi, Some(4)),
            ),
            (
                &[("PMI_SIZE", "2"), ("PMIX_RANK", "0")],
                (Launcher::Mpich, Some(2)),
            ),
            (&[("PMI_SIZE", "2")], (Launcher::Mpich, Some(2))),
            (&[("SLURM_STEP_NUM_TASKS", "8")], (Launcher::Any, Some(8))),
            // Two machines, whose helpers Slurm has started.
            (
                &[
                    ("SLURM_STEP_NUM_TASKS", "2"),
                    ("OMPI_COMM_WORLD_SIZE", "16"),
                ],
                (Launcher::OpenMpi, Some(16)),
            ),
            (&[("PMIX_RANK", "0")], (Launcher::OpenMpi, None)),
            (
                &[("SLURM_STEP_NUM_TASKS", "3"), ("PMIX_RANK", "0")],
                (Launcher::OpenMpi, Some(3)),
            ),
        ] {
            assert_eq!(launcher(variables), Some(expected), "{variables:?}");
        }
    }

    #[test]
    fn variables_that_make_no_sense_are_named() {
        for (variables, parts) in [
            (
                &[("PMI_SIZE", "many")][..],
                &["PMI_SIZE=many", "unset PMI_SIZE"][..],
            ),
            (
                &[("OMPI_COMM_WORLD_SIZE", "0")],
                &["OMPI_COMM_WORLD_SIZE=0"],
            ),
            (
                &[("OMPI_COMM_WORLD_SIZE", "4"), ("PMI_SIZE", "2")],
                &["OMPI_COMM_WORLD_SIZE=4", "PMI_SIZE=2", "disagree"],
            ),
        ] {
            let error = found(variables).expect_err("refused");
            assert_eq!(error.exit_code(), 2);
            for part in parts {
                assert!(error.to_string().contains(part), "{error}");
            }
        }
    }
}
