//! `UriEncode` of the signing rules, and its inverse, written into a [`Sink`]; and numbers.

use super::canonical::Sink;

const UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// `A-Z a-z 0-9 - . _ ~`
const UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

pub(super) fn is_unreserved(byte: u8) -> bool {
    UNRESERVED[usize::from(byte)]
}

pub(super) fn is_unreserved_or_slash(byte: u8) -> bool {
    is_unreserved(byte) || byte == b'/'
}

/// Whether a text holds such a byte. Sixteen are looked at as one: a way out after each would be a branch for each.
pub(super) fn holds(text: &[u8], is_such: impl Fn(u8) -> bool) -> bool {
    let any = |chunk: &[u8; 16]| chunk.iter().fold(false, |any, byte| any | is_such(*byte));
    match text.last_chunk() {
        // It overlaps the one before it.
        Some(last) => any(last) || text.as_chunks().0.iter().any(any),
        None => text.iter().any(|byte| is_such(*byte)),
    }
}

/// The byte that `%XX` at the start of this text stands for, if that is what stands there.
fn escape(text: &[u8]) -> Option<u8> {
    match text {
        [b'%', high, low, ..] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// Whether each `%` of this text starts an escape that an encoder would write: upper-case hex, and of a byte that needs
/// one.
pub(super) fn is_canonical_escape(text: &[u8]) -> bool {
    escape(text).is_some_and(|byte| !is_unreserved(byte)) && text[1..3].iter().all(|digit| !digit.is_ascii_lowercase())
}

fn put_byte(sink: &mut impl Sink, byte: u8, keep: impl Fn(u8) -> bool) {
    if keep(byte) {
        sink.put(&[byte]);
    } else {
        sink.put(&[b'%', UPPER[usize::from(byte >> 4)], UPPER[usize::from(byte & 15)]]);
    }
}

/// Encodes every byte but those to keep, a `%` too.
pub(super) fn encode(sink: &mut impl Sink, mut text: &[u8], keep: impl Fn(u8) -> bool) {
    while let Some(end) = text.iter().position(|byte| !keep(*byte)) {
        sink.put(&text[..end]);
        put_byte(sink, text[end], &keep);
        text = &text[end + 1..];
    }
    sink.put(text);
}

/// Decodes, and encodes the result: each text that means the same comes out the same. A `%` that starts no escape stands
/// for itself. `plus` is what a `+` stands for.
pub(super) fn decode_encode(sink: &mut impl Sink, mut text: &[u8], plus: u8, keep: impl Fn(u8) -> bool) {
    while let Some(end) = text.iter().position(|byte| !keep(*byte)) {
        sink.put(&text[..end]);
        let (byte, length) = match text[end] {
            b'+' => (plus, 1),
            byte => escape(&text[end..]).map_or((byte, 1), |byte| (byte, 3)),
        };
        put_byte(sink, byte, &keep);
        text = &text[end + length..];
    }
    sink.put(text);
}

/// Writes each byte as two lower-case hex digits, as far as there is room. Arithmetic and no table: a compiler makes that some
/// instructions for all of a hash.
#[inline]
pub(super) fn put_hex(room: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in room.chunks_exact_mut(2).zip(bytes) {
        for (digit, value) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = value + if value < 10 { b'0' } else { b'a' - 10 };
        }
    }
}

pub(super) fn hex_of(digest: [u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    put_hex(&mut text, &digest);
    text
}

/// Writes a number from the right, as many digits as there is room for.
pub(super) fn decimals(text: &mut [u8], mut number: u64) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Writes a number without leading zeros.
pub(super) fn put_decimal(sink: &mut impl Sink, number: u64) {
    let mut digits = [0; 20];
    let length = 1 + number.checked_ilog10().unwrap_or(0) as usize;
    decimals(&mut digits[..length], number);
    sink.put(&digits[..length]);
}

/// What was written, as a text. Header values may hold bytes that are no UTF-8: they are shown with a replacement.
pub(super) fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> String {
        let mut out = Vec::new();
        encode(&mut out, text.as_bytes(), is_unreserved_or_slash);
        String::from_utf8(out).unwrap()
    }

    fn again(text: &str) -> String {
        let mut out = Vec::new();
        decode_encode(&mut out, text.as_bytes(), b' ', is_unreserved);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn encoding_keeps_unreserved_bytes_alone() {
        assert_eq!(encoded("/a-._~Z9"), "/a-._~Z9");
        assert_eq!(encoded("@ ሴ%3D"), "%40%20%E1%88%B4%253D");
    }

    #[test]
    fn decoding_first_brings_all_spellings_together() {
        for text in ["%7e", "~", "%7E"] {
            assert_eq!(again(text), "~");
        }
        for text in ["%2f", "/", "%2F"] {
            assert_eq!(again(text), "%2F");
        }
        assert_eq!(again("a+b%2Bc"), "a%20b%2Bc");
        assert_eq!(again("%zz%"), "%25zz%25");
        assert_eq!(again("%f"), "%25f");
        assert_eq!(again("100%25"), "100%25");
    }

    #[test]
    fn every_byte_has_its_digits() {
        let bytes: Vec<u8> = (0..=255).collect();
        for bytes in bytes.as_chunks().0 {
            assert_eq!(hex_of(*bytes), hex::encode(bytes).as_bytes());
        }
    }

    #[test]
    fn numbers_have_no_leading_zeros() {
        for number in [0, 1, 9, 10, 3600, 604_800, u64::MAX] {
            let mut text = Vec::new();
            put_decimal(&mut text, number);
            assert_eq!(text, number.to_string().as_bytes());
        }
    }

    #[test]
    fn canonical_escapes_are_upper_case_and_needed() {
        assert!(is_canonical_escape(b"%2F"));
        for text in ["%2f", "%7E", "%zz", "%2", "%"] {
            assert!(!is_canonical_escape(text.as_bytes()), "{text}");
        }
    }
}
