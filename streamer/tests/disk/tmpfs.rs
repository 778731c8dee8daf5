//! A volume that is really full, and one that is really read-only: a small tmpfs.

use std::{fs::File, io::Write};

use super::{in_a_namespace, mount, read, start, tick, until};

/// Smaller than what is recorded, so that it fills up.
const SETUP: &str = "mount -t tmpfs -o size=256k tmpfs .";

#[test]
fn a_full_disk_is_reported_refuses_what_cannot_be_held_and_loses_nothing_that_was_taken() {
    let test = "tmpfs::a_full_disk_is_reported_refuses_what_cannot_be_held_and_loses_nothing_that_was_taken";
    let Some(volume) = in_a_namespace(test, SETUP) else { return };
    let recorder = start(&volume);
    let (feed, storage) = (recorder.feed(), recorder.storage());
    let mut taken = Vec::new();
    let mut price = 0.0;
    // Until the disk is full, what may be held is held, and the queue takes no more.
    until("ticks are refused", || {
        for _ in 0..1_000 {
            price += 1.0;
            if feed.tick(&tick(price)) {
                taken.push(price);
            } else {
                return true;
            }
        }
        false
    });
    until("it is reported", || !storage.borrow().writable && storage.borrow().dropped > 0);
    let message = storage.borrow().message.clone().unwrap();
    assert!(message.contains("No space left") && message.contains("7_last"), "{message}");

    mount("remount,size=64m", &volume);
    until("the disk takes writes again", || storage.borrow().writable && feed.waiting() == 0);
    price += 1.0;
    assert!(feed.tick(&tick(price)));
    taken.push(price);
    recorder.stop();
    // Every tick that was taken, once, in order, numbered without a hole.
    let expected: Vec<_> = (1..).zip(taken).collect();
    assert!(read(&volume) == expected, "the file differs from what was taken");
}

#[test]
fn a_read_only_volume_is_reported_and_caught_up_on() {
    let Some(volume) = in_a_namespace("tmpfs::a_read_only_volume_is_reported_and_caught_up_on", SETUP) else { return };
    let probe = volume.join("probe");
    mount("remount,ro", &volume);
    assert!(File::create(&probe).is_err(), "it is read-only");
    let recorder = start(&volume);
    let storage = recorder.storage();
    assert!(recorder.feed().tick(&tick(1.0)));
    until("it is reported", || !storage.borrow().writable);
    let message = storage.borrow().message.clone().unwrap();
    assert!(message.contains("Read-only file system"), "{message}");
    assert!(recorder.feed().tick(&tick(2.0)));

    mount("remount,rw", &volume);
    File::create(&probe).unwrap().write_all(b"x").unwrap();
    until("the volume works again", || storage.borrow().writable);
    recorder.stop();
    assert_eq!(read(&volume), [(1, 1.0), (2, 2.0)]);
    assert_eq!(storage.borrow().dropped, 0);
}
