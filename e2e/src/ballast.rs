//! What fills a small volume, and empties it again: a file on it. The scenarios run this in a pod (see `volume`).

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use anyhow::{Context, Result, bail};
use rustix::fs::{major, minor};

const NAME: &str = "ballast";
/// The file grows by so many bytes at a time: a page, which no file system in memory divides.
const PIECE: usize = 4096;
/// Where the node's first process sees which file systems.
const MOUNTS: &str = "/proc/1/mountinfo";

/// Writes until nothing fits any more.
///
/// # Errors
/// When something else fails.
pub fn fill(dir: &Path) -> Result<()> {
    let mut file = File::create(dir.join(NAME)).context("making the ballast")?;
    loop {
        match file.write_all(&[0; PIECE]) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error).context("writing the ballast"),
        }
    }
}

/// Makes room again.
///
/// # Errors
/// When there is no ballast.
pub fn drop(dir: &Path) -> Result<()> {
    fs::remove_file(dir.join(NAME)).context("removing the ballast")
}

/// Where the node sees the volume that this pod has at `dir`. Runs as root in the node's process namespace.
///
/// # Errors
/// When the node does not see it.
pub fn on_the_node(dir: &Path) -> Result<String> {
    let device = fs::metadata(dir).with_context(|| format!("{}", dir.display()))?.dev();
    let device = format!("{}:{}", major(device), minor(device));
    let mounts = fs::read_to_string(MOUNTS).with_context(|| format!("reading {MOUNTS}"))?;
    match mount_point(&mounts, &device) {
        Some(path) => Ok(path.to_owned()),
        None => bail!("the node mounts no file system {device}: {mounts}"),
    }
}

/// The kubelet's mount of a device, in the form of `proc_pid_mountinfo(5)`.
fn mount_point<'a>(mounts: &'a str, device: &str) -> Option<&'a str> {
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mut points = fields.filter(|fields| fields.get(2) == Some(&device)).filter_map(|fields| fields.get(4).copied());
    points.find(|point| point.contains("/pods/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelet_s_mount_of_a_device_is_found() {
        let mounts = "\
            21 1 0:20 / / rw - overlay none rw\n\
            37 21 0:46 / /run/rootfs/volume rw - tmpfs tmpfs rw\n\
            36 21 0:46 / /var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/volume rw - tmpfs tmpfs rw,size=4096k\n";
        let expected = "/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/volume";
        assert_eq!(mount_point(mounts, "0:46"), Some(expected));
        assert_eq!(mount_point(mounts, "0:47"), None);
    }
}
