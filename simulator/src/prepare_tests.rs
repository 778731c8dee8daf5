use super::*;

fn order(id: u64, price: f64, volume: f64, gone: bool, bid: bool) -> Order {
    Order { id, at_ms: 0, price, volume, gone, bid }
}

#[test]
fn book_follows_its_orders() {
    let mut book = Book::default();
    assert!(book.best().is_none());
    for row in [
        order(1, 100.0, 0.1, false, true),
        order(2, 100.0, 0.2, false, true),
        order(3, 101.0, 1.0, false, false),
        order(STALE_ASKS[0], 50.0, 1.0, false, false),
        order(4, 999_999_999.0, 1.0, false, true),
    ] {
        book.apply(&row);
    }
    let best = book.best().unwrap();
    assert_eq!((best.bid, best.bid_size, best.ask, best.ask_size), (100.0, 0.3, 101.0, 1.0));
    book.apply(&order(1, 99.0, 0.4, false, true));
    book.apply(&order(2, 100.0, 0.2, true, true));
    // A delete of what was never created changes nothing.
    book.apply(&order(9, 101.0, 1.0, true, false));
    let best = book.best().unwrap();
    assert_eq!((best.bid, best.bid_size, best.ask), (99.0, 0.4, 101.0));
}

#[test]
fn refuses_rows_that_it_does_not_know() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orders.csv");
    std::fs::write(&path, "header\n1,2,3\n").unwrap();
    let error = read(&path, &path).unwrap_err();
    assert!(error.to_string().ends_with("orders.csv, line 2: not a row of the sample"), "{error}");
}
