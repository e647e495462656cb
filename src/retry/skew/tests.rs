use std::time::UNIX_EPOCH;

use aws_smithy_types::date_time::{DateTime, Format};
use http::{
    Request,
    header::{AGE, DATE},
};
use proptest::prelude::*;

use super::*;
use crate::{
    Environment,
    retry::skew::{DISABLED, seconds},
};

const S3: &str = "https://s3.amazonaws.com/key";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

fn table() -> SkewTable {
    SkewTable::new(SkewCorrection::Trusted)
}

fn after(time: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { time - by } else { time + by }
}

fn http_date(time: SystemTime) -> String {
    DateTime::from(time).fmt(Format::HttpDate).unwrap()
}

/// An answer whose date is this many seconds ahead of `now()`.
fn dated(status: u16, ahead: i64) -> Response<()> {
    Response::builder().status(status).header(DATE, http_date(after(now(), ahead))).body(()).unwrap()
}

fn attempt(table: &SkewTable, uri: &str) -> SkewedAttempt {
    table.attempt(&uri.parse().unwrap(), &HeaderMap::new())
}

/// What an attempt at `now()`, answered at once, has measured.
fn answered(table: &SkewTable, attempt: SkewedAttempt, response: &Response<()>) -> Option<MeasuredSkew> {
    table.answered(attempt, now(), now, response)
}

/// How far the next attempt's time is moved.
fn applied(table: &SkewTable, uri: &str) -> i64 {
    let moved = attempt(table, uri).corrected(now());
    seconds(moved).unwrap() - seconds(now()).unwrap()
}

/// One attempt and its 403, which is `ahead` seconds ahead.
fn skewed(table: &SkewTable, uri: &str, ahead: i64) -> MeasuredSkew {
    answered(table, attempt(table, uri), &dated(403, ahead)).unwrap()
}

#[test]
fn the_next_attempt_is_signed_at_the_servers_time_and_recovers_with_the_clock() {
    let table = table();
    let first = skewed(&table, S3, 3600);
    assert_eq!((first.measured, first.applied, first.is_significant()), (3600, 0, true));
    assert_eq!(applied(&table, S3), 3600);

    let second = skewed(&table, S3, 3595);
    assert_eq!((second.measured, second.applied, second.is_significant()), (3595, 3600, false));
    assert_eq!(applied(&table, S3), 3595, "measured anew");

    let set_right = skewed(&table, S3, 1);
    assert_eq!((set_right.measured, set_right.applied, set_right.is_significant()), (1, 3595, true));
    assert_eq!(applied(&table, S3), 0);

    skewed(&table, S3, -7200);
    assert_eq!(applied(&table, S3), -7200);
}

#[test]
fn four_minutes_are_the_least_that_is_acted_on() {
    for (ahead, acted) in [(239, 0), (-239, 0), (240, 240), (-240, -240)] {
        let table = table();
        assert!(!skewed(&table, S3, ahead).is_significant(), "{ahead}: more than four minutes make a retry");
        assert_eq!(applied(&table, S3), acted, "{ahead}");
    }
    assert!(skewed(&table(), S3, 241).is_significant() && skewed(&table(), S3, -241).is_significant());
}

#[test]
fn an_attempt_is_compared_with_its_own_offset_and_not_with_the_latest() {
    let table = table();
    let under_way = attempt(&table, S3);
    skewed(&table, S3, 3600);
    let late = answered(&table, under_way, &dated(403, 3600)).unwrap();
    assert_eq!((late.applied, late.is_significant()), (0, true));
    assert_eq!(applied(&table, S3), 3600);
}

#[test]
fn the_skew_is_measured_from_the_middle_of_the_round_trip() {
    let table = table();
    let received = || now() + Duration::from_secs(100);
    let skew = table.answered(attempt(&table, S3), now(), received, &dated(400, 650)).unwrap();
    assert_eq!(skew.measured, 600);
}

#[test]
fn what_says_nothing_about_the_clock_is_not_measured() {
    let table = table();
    let mut cached = dated(403, 3600);
    cached.headers_mut().insert(AGE, "0".parse().unwrap());
    let mut undated = dated(403, 3600);
    undated.headers_mut().remove(DATE);
    let mut misdated = dated(403, 3600);
    misdated.headers_mut().insert(DATE, "yesterday".parse().unwrap());
    for response in [cached, undated, misdated, dated(200, 3600), dated(307, 3600), dated(500, 3600)] {
        assert_eq!(answered(&table, attempt(&table, S3), &response), None, "{response:?}");
    }
    let with_round_trip = |received: SystemTime| {
        table.answered(attempt(&table, S3), now(), || received, &dated(403, 3600)).map(|skew| skew.measured)
    };
    assert_eq!(with_round_trip(now() + Duration::from_secs(901)), None);
    assert_eq!(with_round_trip(now() - Duration::from_secs(1)), None, "the clock was set back meanwhile");
    assert_eq!(applied(&table, S3), 0);
    assert_eq!(with_round_trip(now() + Duration::from_secs(900)), Some(3150));
}

#[test]
fn a_clock_that_has_lost_its_battery_is_corrected() {
    let table = table();
    let at_boot = UNIX_EPOCH + Duration::from_secs(10);
    let attempt = attempt(&table, S3);
    let skew = table.answered(attempt, at_boot, || at_boot, &dated(403, 0)).unwrap();
    assert_eq!(skew.measured, 1_440_938_150);
    let uri = S3.parse().unwrap();
    assert_eq!(table.attempt(&uri, &HeaderMap::new()).corrected(at_boot), now());
}

#[test]
fn a_date_that_no_clock_could_mean_is_ignored() {
    let table = table();
    let in_2000_years = Response::builder().status(403).header(DATE, "Sun, 06 Nov 9994 08:49:37 GMT").body(()).unwrap();
    assert_eq!(answered(&table, attempt(&table, S3), &in_2000_years), None);
}

#[test]
fn hosts_are_told_apart_and_their_case_is_not() {
    let table = table();
    skewed(&table, "https://a.amazonaws.com/", 3600);
    skewed(&table, "https://b.amazonaws.com/", -3600);
    assert_eq!(applied(&table, "https://A.AmazonAWS.com/other?x=y"), 3600);
    assert_eq!(applied(&table, "https://b.amazonaws.com/"), -3600);
    for other in ["https://a.amazonaws.com:8443/", "https://c.amazonaws.com/", "https://aa.amazonaws.com/"] {
        assert_eq!(applied(&table, other), 0, "{other}");
    }
}

#[test]
fn only_tls_and_this_machine_are_believed() {
    let everywhere = SkewTable::new(SkewCorrection::Everywhere);
    let off = SkewTable::new(SkewCorrection::Off);
    for (uri, trusted) in [
        ("https://s3.amazonaws.com/", true),
        ("HTTPS://s3.amazonaws.com/", true),
        ("http://127.0.0.1:9000/", true),
        ("http://127.8.8.8/", true),
        ("http://[::1]:9000/", true),
        ("http://LocalHost:9000/", true),
        ("http://s3.amazonaws.com/", false),
        ("http://localhost.evil.example/", false),
        ("http://127.0.0.1.nip.io/", false),
        ("http://10.0.0.1/", false),
    ] {
        let table = table();
        let measured = answered(&table, attempt(&table, uri), &dated(403, 3600));
        assert_eq!(measured.is_some(), trusted, "{uri}");
        assert_eq!(applied(&table, uri), if trusted { 3600 } else { 0 }, "{uri}");
        skewed(&everywhere, uri, 3600);
        assert_eq!(applied(&everywhere, uri), 3600, "{uri}");
        assert_eq!(answered(&off, attempt(&off, uri), &dated(403, 3600)), None, "{uri}");
    }
}

#[test]
fn a_uri_without_a_host_goes_by_its_host_header() {
    let table = SkewTable::new(SkewCorrection::Everywhere);
    let request = |host: &str| Request::get("/path").header(HOST, host).body(()).unwrap();
    let a = request("a.example");
    answered(&table, table.attempt(a.uri(), a.headers()), &dated(403, 3600)).unwrap();
    assert_eq!(table.attempt(a.uri(), a.headers()).offset, 3600);
    let b = request("b.example");
    assert_eq!(table.attempt(b.uri(), b.headers()).offset, 0);
    let none = attempt(&table, "/path");
    assert_eq!((none.host, answered(&table, none, &dated(403, 3600))), (None, None));
}

#[test]
fn the_number_of_hosts_is_bounded_and_the_latest_are_kept() {
    let table = table();
    let host = |number: u32| format!("https://bucket-{number}.s3.amazonaws.com/");
    for number in 0..10_000 {
        skewed(&table, &host(number), 3600);
        assert_eq!(applied(&table, &host(number)), 3600);
    }
    let taken = table.taken.load(Relaxed);
    assert_eq!(taken, WAYS * SETS, "all of it is used");
    let kept = (0..10_000).filter(|number| applied(&table, &host(*number)) == 3600).count();
    assert!((taken..taken + 10).contains(&kept), "{kept} hosts answer from {taken} slots");
    for number in 0..10_000 {
        skewed(&table, &host(number), 0);
    }
    assert_eq!(table.taken.load(Relaxed), 0);
}

#[test]
fn many_threads_agree_on_one_slot_for_each_host() {
    let table = table();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let table = &table;
            scope.spawn(move || {
                for round in 0..2_000 {
                    skewed(table, S3, 3600 + thread + round);
                    assert!(applied(table, S3) >= 3600);
                }
            });
        }
    });
    assert_eq!(table.taken.load(Relaxed), 1);
    skewed(&table, S3, 0);
    assert_eq!((table.taken.load(Relaxed), applied(&table, S3)), (0, 0));
}

#[test]
fn the_environment_can_turn_it_off() {
    for (value, expected) in [
        ("true", SkewCorrection::Off),
        (" TRUE ", SkewCorrection::Off),
        ("false", SkewCorrection::Trusted),
        ("", SkewCorrection::Trusted),
    ] {
        assert_eq!(SkewCorrection::from_environment(&Environment::fixed([(DISABLED, value)])), expected, "{value}");
    }
    let unset = Environment::fixed::<String, String>([]);
    assert_eq!(SkewCorrection::from_environment(&unset), SkewCorrection::Trusted);
}

proptest! {
    #[test]
    fn a_slot_gives_back_what_was_put_in(offset in -(1_i64 << 35)..1 << 35, host in ".{0,40}") {
        let tag = HostKey::of(Seed(7, 8), host.as_bytes()).tag();
        let slot = packed(tag, offset);
        prop_assert_eq!((tag_of(slot), offset_of(slot)), (tag, offset));
        prop_assert!(slot != 0);
    }

    #[test]
    fn no_answer_and_no_time_panics(
        date in ".{0,40}", sent in any::<i64>(), received in any::<i64>(), status in 100_u16..600, ahead in any::<i32>()
    ) {
        let table = table();
        let [sent, received] = [sent, received].map(|offset| {
            let by = Duration::from_secs(offset.unsigned_abs());
            if offset < 0 { UNIX_EPOCH.checked_sub(by) } else { UNIX_EPOCH.checked_add(by) }.unwrap_or(now())
        });
        let mut response = dated(status, ahead.into());
        if let Ok(date) = date.parse() {
            response.headers_mut().insert(DATE, date);
        }
        table.answered(attempt(&table, S3), sent, || received, &response);
        let _ = attempt(&table, S3).corrected(sent);
    }
}
