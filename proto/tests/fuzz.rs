//! Files that are torn, altered, or of another program.

use marketstream_fuzz::{Memory, fuzz};
use marketstream_proto::{
    TickKind, TickMessage,
    framing::{self, FrameError, Reader},
};

/// The longest record, and what is read of it: texts as long, and the comparison's own.
const MEMORY: Memory = Memory { base: 2 * framing::MAX_RECORD_BYTES as u64, per_byte: 32 };

fn ticks() -> Vec<TickMessage> {
    let kinds = [TickKind::Last, TickKind::AllLast, TickKind::BidAsk, TickKind::MidPoint, TickKind::QuoteL1];
    let tick = |(number, kind): (u64, TickKind)| TickMessage {
        ts: 1_795_469_313_000_000 + number as i64 * 1_000_000,
        st: 1_795_469_313_477_848,
        cid: 711_280_073,
        tt: kind.as_str().to_owned(),
        p: (number % 2 == 0).then_some(23_202.25),
        s: Some(2.0),
        bp: (number % 2 == 1).then_some(23_202.0),
        exchange: Some("CME".to_owned()),
        sequence: 42 + number,
        ..TickMessage::default()
    };
    (0..).zip(kinds).map(tick).collect()
}

fn file(ticks: &[TickMessage]) -> Vec<u8> {
    let mut bytes = Vec::new();
    ticks.iter().for_each(|tick| framing::append(&mut bytes, tick).expect("ticks of this test can be stored"));
    bytes
}

/// Readable records, as `framing::repair` counts them.
fn read(bytes: &[u8]) -> Vec<TickMessage> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    while let Some(record) = reader.next() {
        assert!(reader.offset() <= bytes.len() as u64);
        match record {
            Ok(tick) => found.push(tick),
            Err(FrameError::Io { source, .. }) => panic!("{source}"),
            Err(_) => {}
        }
    }
    found
}

#[test]
fn whatever_is_in_a_file_what_is_read_of_it_can_be_stored_and_read_again() {
    let all = ticks();
    let corpus: Vec<Vec<u8>> = all.iter().map(|tick| file(std::slice::from_ref(tick))).chain([file(&all)]).collect();
    fuzz("records", MEMORY, &corpus, |bytes| {
        for tick in read(bytes) {
            let mut again = Vec::new();
            // What this program would not write may still be read.
            if framing::append(&mut again, &tick).is_ok() {
                let back = Reader::new(again.as_slice()).next().unwrap().unwrap();
                let bits = |tick: &TickMessage| format!("{tick:?}");
                assert_eq!(bits(&back), bits(&tick));
            }
        }
    });
}

#[test]
fn a_torn_file_never_yields_an_altered_record() {
    let all = ticks();
    let whole = file(&all);
    // The input says where the file is torn, and what a power cut left behind that: zeros, or nothing.
    let corpus = [vec![0, 0, 0], vec![1, 44, 1], vec![0, 200, 9]];
    fuzz("torn files", MEMORY, &corpus, |input| {
        let byte = |index: usize| input.get(index).copied().map_or(0, usize::from);
        let at = (byte(0) << 8 | byte(1)) % (whole.len() + 1);
        let mut torn = whole[..at].to_vec();
        torn.resize(at + byte(2) * usize::from(byte(3) % 2 == 0), 0);
        let found = read(&torn);
        assert_eq!(found, all[..found.len()]);
        // What was written whole is not lost.
        let mut kept = Reader::new(&whole[..]);
        let ends = std::iter::from_fn(|| kept.next().map(|_| kept.offset())).take_while(|end| *end <= at as u64);
        assert!(found.len() >= ends.count(), "{at}");
    });
}
