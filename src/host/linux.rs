//! What Linux says of memory, in files.

use std::fs;
use std::path::Path;

use super::{SYSTEM, Supply};

/// What is left by the files below `root`, which is `/` but for tests. `None` where there are none of them.
pub(super) fn supply(root: &Path) -> Option<Supply> {
    let system = system(root).map(|bytes| (bytes, SYSTEM.to_owned()));
    let address_space = address_space(root).map(|bytes| (bytes, "by `ulimit -v`".to_owned()));
    let bounds = system.into_iter().chain(address_space).chain(groups(root));
    bounds
        .min_by_key(|(bytes, _)| *bytes)
        .map(|(bytes, bound)| Supply { bytes, bound })
}

fn read(root: &Path, path: &str) -> Option<String> {
    fs::read_to_string(root.join(path)).ok()
}

/// The number behind a name, as in `MemAvailable:   1234 kB` and in `inactive_file 1234`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the kernel can free, with the swap space that is free.
fn system(root: &Path) -> Option<u64> {
    let text = read(root, "proc/meminfo")?;
    let available = field(&text, "MemAvailable:")?;
    Some(1024 * (available + field(&text, "SwapFree:").unwrap_or(0)))
}

/// What is left of the address space of this process.
fn address_space(root: &Path) -> Option<u64> {
    let most = field(&read(root, "proc/self/limits")?, "Max address space")?;
    let taken = field(&read(root, "proc/self/status")?, "VmSize:").unwrap_or(0);
    Some(most.saturating_sub(1024 * taken))
}

/// Names of a version of control groups.
struct Version {
    /// Where they are mounted.
    mounts: &'static [&'static str],
    limit: &'static str,
    usage: &'static str,
    /// Pages of files that are freed when memory is wanted, in `memory.stat`.
    freed: &'static str,
}

const FIRST: Version = Version {
    mounts: &["sys/fs/cgroup/memory"],
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    freed: "total_inactive_file ",
};

const SECOND: Version = Version {
    mounts: &["sys/fs/cgroup", "sys/fs/cgroup/unified"],
    limit: "memory.max",
    usage: "memory.current",
    freed: "inactive_file ",
};

/// A limit above it is the first version's word for none.
const NO_LIMIT: u64 = 1 << 60;

/// What is left of the control groups that bound this process: its own and those around it, as each has a limit.
fn groups(root: &Path) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let own = read(root, "proc/self/cgroup").unwrap_or_default();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let version = match controllers {
            "" => SECOND,
            _ if controllers.split(',').any(|name| name == "memory") => FIRST,
            _ => continue,
        };
        // In a container the path may be that of the host, and the group is the one that is mounted.
        let path = match path.contains("..") {
            true => "",
            false => path.trim_start_matches('/'),
        };
        for mount in version.mounts {
            let groups = Path::new(path).ancestors();
            found.extend(groups.filter_map(|group| {
                let left = left_in(&root.join(mount).join(group), &version)?;
                let name = Path::new("/").join(group);
                Some((left, format!("by the control group {}", name.display())))
            }));
        }
    }
    found
}

/// What is left of a control group with a limit.
fn left_in(group: &Path, version: &Version) -> Option<u64> {
    let number = |name: &str| read(group, name)?.trim().parse::<u64>().ok();
    let limit = number(version.limit).filter(|&limit| limit < NO_LIMIT)?;
    let stat = read(group, "memory.stat").unwrap_or_default();
    let freed = field(&stat, version.freed).unwrap_or(0);
    let taken = number(version.usage).unwrap_or(0).saturating_sub(freed);
    Some(limit.saturating_sub(taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left by these files.
    fn left(files: &[(&str, &str)]) -> Option<(u64, String)> {
        let root = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let supply = supply(root.path());
        supply.map(|supply| (supply.bytes, supply.bound))
    }

    const MEMORY: (&str, &str) = (
        "proc/meminfo",
        "MemTotal: 9000 kB\nMemAvailable:    4000 kB\nSwapFree:  96 kB\n",
    );

    fn of(bytes: u64, bound: &str) -> Option<(u64, String)> {
        Some((bytes, bound.to_owned()))
    }

    #[test]
    fn a_system_has_what_is_available_and_its_swap_space() {
        assert_eq!(left(&[MEMORY]), of(4096 << 10, SYSTEM));
        assert_eq!(left(&[]), None);
        assert_eq!(left(&[("proc/meminfo", "MemAvailable: much")]), None);
    }

    #[test]
    fn an_address_space_is_less_by_what_the_process_has() {
        let limits = |most: &str| {
            format!("Limit  Soft\nMax address space         {most}   unlimited bytes\n")
        };
        let status = ("proc/self/status", "Name: elbo\nVmSize:\t    1000 kB\n");
        let with = |most: &str| left(&[MEMORY, ("proc/self/limits", &limits(most)), status]);
        assert_eq!(with("2048000"), of(1_024_000, "by `ulimit -v`"));
        assert_eq!(with("1000"), of(0, "by `ulimit -v`"));
        assert_eq!(with("unlimited"), of(4096 << 10, SYSTEM));
    }

    #[test]
    fn a_control_group_is_bounded_by_those_around_it() {
        let inner = [
            ("proc/self/cgroup", "0::/outer/inner\n"),
            ("sys/fs/cgroup/outer/inner/memory.max", "3000000\n"),
            ("sys/fs/cgroup/outer/inner/memory.current", "1000000\n"),
            (
                "sys/fs/cgroup/outer/inner/memory.stat",
                "file 9\ninactive_file 400000\n",
            ),
        ];
        let own = of(2_400_000, "by the control group /outer/inner");
        assert_eq!(left(&[&[MEMORY], &inner[..]].concat()), own);
        let outer = [
            ("sys/fs/cgroup/outer/memory.max", "5000000\n"),
            ("sys/fs/cgroup/outer/memory.current", "4900000\n"),
        ];
        let both = left(&[&[MEMORY], &inner[..], &outer].concat());
        assert_eq!(both, of(100_000, "by the control group /outer"));
        let none = ("sys/fs/cgroup/outer/inner/memory.max", "max\n");
        assert_eq!(left(&[MEMORY, inner[0], none]), of(4096 << 10, SYSTEM));
    }

    #[test]
    fn groups_of_the_first_version_count_as_well() {
        let files = |limit| {
            [
                MEMORY,
                (
                    "proc/self/cgroup",
                    "5:cpu:/\n4:hugetlb,memory:/docker/x\n0::/\n",
                ),
                // As in a container: what is mounted is the group itself.
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", limit),
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1500000"),
                (
                    "sys/fs/cgroup/memory/memory.stat",
                    "inactive_file 1\ntotal_inactive_file 500000",
                ),
            ]
        };
        assert_eq!(
            left(&files("2000000")),
            of(1_000_000, "by the control group /")
        );
        assert_eq!(left(&files("9223372036854771712")), of(4096 << 10, SYSTEM));
    }
}
