//! Signing, a given number of times, for a tool that counts instructions: `.ci/instructions`.
//!
//! `guard post 1000` signs a thousand requests and `guard request-post 1000` makes them only; `guard allocations` prints
//! how often each case allocates. Nothing here reads a clock, so that every run is the same.
#![allow(missing_docs)]

mod support;

use std::hint::black_box;

use http::request::Parts;
use support::requests::{Case, now};
use tower_sigv4::{
    credentials::Credentials,
    sign::{PayloadHash, Signer},
};

fn case(name: &str) -> Option<Case> {
    [Case::post(), Case::get(), Case::presign()].into_iter().find(|case| case.name == name)
}

fn sign(case: &Case, signer: &Signer, credentials: &Credentials) -> Parts {
    let mut parts = case.parts();
    let signed = match case.expires_in {
        Some(expires_in) => signer.presign(&mut parts, PayloadHash::UNSIGNED, credentials, now(), expires_in),
        None => signer.sign(&mut parts, case.payload(), credentials, now()),
    };
    signed.expect("the case can be signed");
    parts
}

fn allocations(case: &Case) -> u64 {
    let (signer, credentials) = (case.signer(), case.credentials());
    // The first request derives a key.
    (0..10).for_each(|_| drop(sign(case, &signer, &credentials)));
    let signed = allocation_counter::measure(|| drop(black_box(sign(case, &signer, &credentials))));
    let made = allocation_counter::measure(|| drop(black_box(case.parts())));
    signed.count_total - made.count_total
}

fn repeat(times: &str, mut call: impl FnMut() -> Parts) {
    let times: u32 = times.parse().expect("a number of calls");
    allocation_counter::opt_out(|| (0..times).for_each(|_| drop(black_box(call()))));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["allocations"] => {
            for case in [Case::post(), Case::get(), Case::presign()] {
                println!("{} allocations={}", case.name, allocations(&case));
            }
        }
        [name, times] => {
            let (name, only_makes) = name.strip_prefix("request-").map_or((name, false), |name| (name, true));
            let case = case(name).expect("post, get or presign");
            let (signer, credentials) = (case.signer(), case.credentials());
            if only_makes {
                repeat(times, || case.parts());
            } else {
                repeat(times, || sign(&case, &signer, &credentials));
            }
        }
        _ => println!("nothing to measure: see .ci/instructions"),
    }
}
