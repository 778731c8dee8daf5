//! The room of buffers that are filled and emptied again and again: it follows the need, so that a steady flow costs no
//! allocation, and what a burst took is given back behind it.

/// Forgets everything in a buffer. About twice of what it held is kept for what comes next, and no more than about `most`
/// items.
pub fn empty<T>(buffer: &mut Vec<T>, most: usize) {
    drain(buffer, buffer.len(), most);
}

/// As [`empty`], but forgets only the first items.
pub fn drain<T>(buffer: &mut Vec<T>, items: usize, most: usize) {
    let kept = (2 * buffer.len()).min(most);
    buffer.drain(..items);
    // A flow that varies is not followed closely: that would be many calls of the allocator.
    if buffer.capacity() > 2 * kept {
        buffer.shrink_to(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 10_000;

    #[test]
    fn a_steady_flow_keeps_its_room_and_a_burst_does_not() {
        let mut buffer = Vec::new();
        let mut round = |items: usize| {
            buffer.extend(0..items);
            empty(&mut buffer, MOST);
            assert!(buffer.is_empty());
            buffer.capacity()
        };
        round(1_000);
        assert!((1_000..=4_000).contains(&round(1_000)), "the next round allocates nothing");
        assert!(round(1_000_000) <= 2 * MOST);
        assert!(round(1_000) <= 4_000, "the room follows");
        assert_eq!(round(0), 0);
    }

    #[test]
    fn what_is_not_drained_stays() {
        let mut buffer: Vec<_> = (0..10).collect();
        buffer.reserve(1_000);
        drain(&mut buffer, 7, MOST);
        assert_eq!(buffer, [7, 8, 9]);
        assert!(buffer.capacity() <= 40);
    }
}
