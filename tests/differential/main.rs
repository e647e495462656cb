//! Generated requests, signed here and by AWS's own signer for Rust, `aws-sigv4`.
//!
//! For every request the two make the same signature, or they differ in ways that have a name and a reason below. A
//! difference is more than an excuse: it comes with the change to the request after which both agree, so that nothing else
//! can hide behind it.
#![allow(missing_docs, missing_debug_implementations)]

mod case;
mod differences;
mod generate;

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Mutex, PoisonError},
};

use case::{Case, Pair};
use differences::{DIFFERENCES, Difference};
use proptest::{
    arbitrary::any,
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

/// How many requests are generated in each of the tests.
const REQUESTS: u32 = 3_000;

/// What is counted over all requests.
#[derive(Debug, Default)]
struct Tally {
    same: usize,
    differing: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Compares both signatures of a request, and finds out why they differ.
    fn compare(&mut self, case: &Case) -> Result<(), TestCaseError> {
        let as_it_is = Pair::of(case);
        if as_it_is.agrees()? {
            self.same += 1;
            return Ok(());
        }
        let relevant: Vec<&Difference> =
            DIFFERENCES.iter().filter(|difference| difference.applies(&as_it_is)).collect();
        let reconciled = |left_out: Option<&Difference>| {
            let mut pair = as_it_is.clone();
            for difference in relevant.iter().filter(|one| left_out.is_none_or(|left_out| left_out.name != one.name)) {
                (difference.reconcile)(&mut pair);
            }
            pair.agrees()
        };
        if !reconciled(None)? {
            return Err(TestCaseError::fail(format!(
                "the signatures differ, and {:?} do not explain it; ours is of\n{}",
                relevant.iter().map(|one| one.name).collect::<Vec<_>>(),
                as_it_is.explained()
            )));
        }
        for difference in &relevant {
            if !reconciled(Some(difference))? {
                *self.differing.entry(difference.name).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Every difference that can occur did, and most requests have none.
    fn check(&self, what: &str, expected: impl Fn(&Difference) -> bool) {
        println!("{what}: {} of {REQUESTS} requests have the same signature as they are", self.same);
        for difference in &DIFFERENCES {
            let count = self.differing.get(difference.name).copied().unwrap_or_default();
            println!("{count:6}  {}: {}", difference.name, difference.reason);
            assert_eq!(count > 0, expected(difference), "{what}: {}", difference.name);
        }
        assert!(self.same > REQUESTS as usize / 4, "{} are too few to say anything", self.same);
    }
}

/// Runs a test on the same requests each time.
fn for_each<T: Debug>(cases: impl Strategy<Value = T>, test: impl Fn(&T) -> Result<(), TestCaseError>) {
    let config = Config { cases: REQUESTS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    if let Err(error) = runner.run(&cases, |case| test(&case)) {
        panic!("{error}");
    }
}

fn compare_all(what: &str, cases: impl Strategy<Value = Case>, expected: impl Fn(&Difference) -> bool) {
    let tally = Mutex::new(Tally::default());
    for_each(cases, |case| tally.lock().unwrap_or_else(PoisonError::into_inner).compare(case));
    tally.into_inner().unwrap().check(what, expected);
}

#[test]
fn headers_are_signed_as_aws_signs_them() {
    compare_all("headers", generate::signed(), |difference| difference.in_headers);
}

#[test]
fn queries_are_presigned_as_aws_presigns_them() {
    compare_all("queries", generate::presigned(), |difference| difference.in_queries);
}

/// One signer has signed others in the same second, and hashed what they begin with. Half of them begin alike: only what
/// stands behind the token differs.
#[test]
fn what_was_signed_before_changes_nothing() {
    for_each((generate::signed(), generate::signed(), any::<bool>()), |(one, other, is_alike)| {
        let mut next = Case {
            service: one.service,
            region: one.region.clone(),
            access_key_id: one.access_key_id.clone(),
            secret: one.secret.clone(),
            token: one.token.clone(),
            seconds: one.seconds,
            all_headers: one.all_headers,
            ..if *is_alike { one } else { other }.clone()
        };
        next.headers.push(("x-amz-target", b"another".to_vec()));
        let signer = one.signer();
        for case in [one, &next, one, &next] {
            let (mut parts, mut alone) = (case.parts(), case.parts());
            case.sign_by(&signer, &mut parts).map_err(|error| TestCaseError::fail(error.to_string()))?;
            case.sign(&mut alone).map_err(|error| TestCaseError::fail(error.to_string()))?;
            proptest::prop_assert_eq!(parts.headers, alone.headers);
        }
        Ok(())
    });
}

/// What goes out is spelled so that signing it once more at the same time changes nothing.
#[test]
fn signing_again_changes_nothing() {
    for_each(generate::signed(), |case| {
        let mut parts = case.parts();
        case.sign(&mut parts).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let first = (parts.uri.clone(), parts.headers.clone());
        case.sign(&mut parts).map_err(|error| TestCaseError::fail(error.to_string()))?;
        proptest::prop_assert_eq!(first, (parts.uri, parts.headers));
        Ok(())
    });
}
