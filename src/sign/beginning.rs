//! How the canonical requests of a second begin, hashed once where they begin alike.
//!
//! The calls of AWS's JSON and query protocols all go to one path: what differs between them stands behind the session
//! token, which is longer than all the rest.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::canonical::Sink;

/// Of a longer beginning nothing is kept.
const LONGEST: usize = 1024;

/// What the first canonical request of a second began with, once there was one.
#[derive(Default)]
pub(super) struct Beginning(OnceLock<Known>);

struct Known {
    text: Box<[u8]>,
    /// The hash of the text and of what always follows it.
    hash: Sha256,
}

impl Beginning {
    /// What a request's beginning is written into. `first` writes it where none is known.
    pub(super) fn compared(&self, first: impl FnOnce(&mut Vec<u8>), always: &[&[u8]]) -> Compared<'_> {
        let known = self.0.get_or_init(|| {
            let mut text = Vec::new();
            first(&mut text);
            if text.len() > LONGEST {
                // Which no request begins with.
                text = Vec::new();
            }
            let mut hash = Sha256::new_with_prefix(&text);
            follow(&mut hash, always);
            Known { text: text.into(), hash }
        });
        Compared { known, rest: Some(&known.text), hash: Sha256::new() }
    }
}

/// Takes a text that may be the known one. It is compared, and hashed from where it differs.
pub(super) struct Compared<'a> {
    known: &'a Known,
    /// What is left of it; `None` once the texts differ.
    rest: Option<&'a [u8]>,
    /// Of what was written, once it differs.
    hash: Sha256,
}

impl Compared<'_> {
    /// The hash of what was written, and of what always follows it.
    pub(super) fn hash(&mut self, always: &[&[u8]]) -> &mut Sha256 {
        if self.rest == Some(&[]) {
            self.hash = self.known.hash.clone();
        } else {
            self.differ();
            follow(&mut self.hash, always);
        }
        &mut self.hash
    }

    fn differ(&mut self) {
        if let Some(rest) = self.rest.take() {
            self.hash.update(&self.known.text[..self.known.text.len() - rest.len()]);
        }
    }
}

impl Sink for Compared<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let left = self.rest.and_then(|rest| rest.strip_prefix(bytes));
        if left.is_some() {
            self.rest = left;
        } else {
            self.differ();
            self.hash.update(bytes);
        }
    }
}

fn follow(hash: &mut Sha256, always: &[&[u8]]) {
    for bytes in always {
        hash.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(beginning: &Beginning, pieces: &[&[u8]]) -> Vec<u8> {
        let always: [&[u8]; 2] = [b"token", b"\n"];
        let mut compared = beginning.compared(|text| text.put(&pieces.concat()), &always);
        for piece in pieces {
            compared.put(piece);
        }
        compared.hash(&always).clone().finalize().to_vec()
    }

    fn is_known(beginning: &Beginning, pieces: &[&[u8]]) -> bool {
        let mut compared = beginning.compared(|_| panic!("none is known"), &[]);
        for piece in pieces {
            compared.put(piece);
        }
        compared.rest == Some(&[])
    }

    /// Two texts, each cut in two anywhere.
    #[test]
    fn whatever_came_first_the_hash_is_of_what_was_written() {
        let texts: [&[u8]; 7] = [b"", b"P", b"POST\n/", b"POST\n/\n", b"POST\n/a", b"POST\n/ab", b"PUT\n/a"];
        for first in texts {
            for (second, cut) in texts.iter().flat_map(|text| (0..=text.len()).map(move |cut| (*text, cut))) {
                let (start, end) = second.split_at(cut);
                let beginning = Beginning::default();
                for (pieces, written) in
                    [(&[first][..], first), (&[start, end], second), (&[end], end), (&[first], first)]
                {
                    let expected = Sha256::digest([written, b"token\n"].concat()).to_vec();
                    assert_eq!(hash(&beginning, pieces), expected, "{pieces:?}");
                }
                assert!(is_known(&beginning, &[first]));
                assert_eq!(is_known(&beginning, &[start, end]), first == second);
            }
        }
    }

    #[test]
    fn of_a_long_beginning_nothing_is_kept() {
        let beginning = Beginning::default();
        let long = [b'a'; LONGEST + 1];
        for _ in 0..2 {
            assert_eq!(hash(&beginning, &[&long]), Sha256::digest([&long[..], b"token\n"].concat()).to_vec());
        }
        assert!(beginning.0.get().unwrap().text.is_empty());
        let beginning = Beginning::default();
        hash(&beginning, &[&long[1..]]);
        assert!(is_known(&beginning, &[&long[1..]]));
    }
}
