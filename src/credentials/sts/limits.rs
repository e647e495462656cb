//! What STS accepts, as its model states it: checked before anything is sent.
//!
//! See [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).

use std::{ops::RangeInclusive, time::Duration};

/// A parameter that STS would refuse. Its value is not repeated: an external id is half a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OutOfLimits {
    #[error("{what} has {has} characters, and may have {} to {}", .may.start(), .may.end())]
    Length { what: &'static str, has: usize, may: RangeInclusive<usize> },
    #[error("{what} may hold {may} only")]
    Characters { what: &'static str, may: &'static str },
    #[error("there are {has} {what}, and there may be {most}")]
    Count { what: &'static str, has: usize, most: usize },
    #[error("the duration is {has} seconds, and may be 900 to 43200")]
    Duration { has: u64 },
}

type Checked = Result<(), OutOfLimits>;

/// The letters and digits that every name may hold, and these too.
struct Name {
    what: &'static str,
    length: RangeInclusive<usize>,
    also: &'static str,
    told: &'static str,
}

impl Name {
    fn check(&self, text: &str) -> Checked {
        length(self.what, text, self.length.clone())?;
        let allowed = |character: char| character.is_ascii_alphanumeric() || self.also.contains(character);
        if text.chars().all(allowed) {
            return Ok(());
        }
        Err(OutOfLimits::Characters { what: self.what, may: self.told })
    }
}

fn length(what: &'static str, text: &str, may: RangeInclusive<usize>) -> Checked {
    let has = text.chars().count();
    if may.contains(&has) { Ok(()) } else { Err(OutOfLimits::Length { what, has, may }) }
}

pub(super) fn session_name(text: &str) -> Checked {
    let told = "ASCII letters, digits and _+=,.@-";
    Name { what: "the session name", length: 2..=64, also: "_+=,.@-", told }.check(text)
}

pub(super) fn source_identity(text: &str) -> Checked {
    let told = "ASCII letters, digits and _+=,.@-";
    Name { what: "the source identity", length: 2..=64, also: "_+=,.@-", told }.check(text)
}

pub(super) fn external_id(text: &str) -> Checked {
    let told = "ASCII letters, digits and _+=,.@:/-";
    Name { what: "the external id", length: 2..=1224, also: "_+=,.@:/-", told }.check(text)
}

pub(super) fn mfa_serial(text: &str) -> Checked {
    let told = "ASCII letters, digits and _+=/:,.@-";
    Name { what: "the serial number of the MFA device", length: 9..=256, also: "_+=/:,.@-", told }.check(text)
}

pub(super) fn mfa_code(text: &str) -> Checked {
    length("the MFA code", text, 6..=6)?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(OutOfLimits::Characters { what: "the MFA code", may: "digits" })
}

pub(super) fn arn(what: &'static str, text: &str) -> Checked {
    length(what, text, 20..=2048)?;
    let allowed = |character: char| !character.is_control() || "\t\n\r\u{85}".contains(character);
    if text.chars().all(allowed) { Ok(()) } else { Err(OutOfLimits::Characters { what, may: "printed characters" }) }
}

/// A session policy; `most` differs between the actions.
pub(super) fn policy(text: &str, most: usize) -> Checked {
    let what = "the session policy";
    length(what, text, 1..=most)?;
    let allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}');
    if text.chars().all(allowed) { Ok(()) } else { Err(OutOfLimits::Characters { what, may: "Latin-1 characters" }) }
}

pub(super) fn policy_arns(arns: &[String]) -> Checked {
    count("policy ARNs", arns.len(), 10)?;
    arns.iter().try_for_each(|text| arn("a policy ARN", text))
}

pub(super) fn tags(tags: &[(String, String)]) -> Checked {
    count("tags", tags.len(), 50)?;
    tags.iter().try_for_each(|(key, value)| {
        tag("a tag's key", key, 1..=128)?;
        tag("a tag's value", value, 0..=256)
    })
}

pub(super) fn transitive_tag_keys(keys: &[String]) -> Checked {
    count("transitive tag keys", keys.len(), 50)?;
    keys.iter().try_for_each(|key| tag("a transitive tag key", key, 1..=128))
}

pub(super) fn duration(duration: Duration) -> Checked {
    let has = duration.as_secs();
    if (900..=43_200).contains(&has) { Ok(()) } else { Err(OutOfLimits::Duration { has }) }
}

fn tag(what: &'static str, text: &str, may: RangeInclusive<usize>) -> Checked {
    length(what, text, may)?;
    let allowed = |character: char| {
        let blank = character.is_whitespace() && !character.is_control();
        character.is_alphanumeric() || blank || "_.:/=+-@".contains(character)
    };
    if text.chars().all(allowed) {
        return Ok(());
    }
    Err(OutOfLimits::Characters { what, may: "letters, digits, spaces and _.:/=+-@" })
}

fn count(what: &'static str, has: usize, most: usize) -> Checked {
    if has <= most { Ok(()) } else { Err(OutOfLimits::Count { what, has, most }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of these lengths pass, those one shorter and one longer do not.
    fn bounds(check: impl Fn(&str) -> Checked, shortest: usize, longest: usize) {
        for length in [shortest, longest] {
            assert_eq!(check(&"7".repeat(length)), Ok(()), "{length}");
        }
        for length in [shortest.wrapping_sub(1), longest + 1] {
            if length < 3000 {
                let error = check(&"7".repeat(length));
                assert!(matches!(error, Err(OutOfLimits::Length { has, .. }) if has == length), "{error:?}");
            }
        }
    }

    #[test]
    fn lengths() {
        bounds(session_name, 2, 64);
        bounds(source_identity, 2, 64);
        bounds(external_id, 2, 1224);
        bounds(mfa_serial, 9, 256);
        bounds(mfa_code, 6, 6);
        bounds(|text| arn("a", text), 20, 2048);
        bounds(|text| policy(text, 2048), 1, 2048);
        bounds(|text| tags(&[(text.into(), String::new())]), 1, 128);
        bounds(|text| tags(&[("k".into(), text.into())]), 0, 256);
        bounds(|text| transitive_tag_keys(&[text.into()]), 1, 128);
    }

    #[test]
    fn characters() {
        let good = "aZ09_+=,.@-";
        assert_eq!(session_name(good).and(source_identity(good)).and(external_id("aZ09_+=,.@:/-")), Ok(()));
        assert_eq!(mfa_serial("arn:aws:iam::1:mfa/me").and(tags(&[("Ä é٣_.:/=+-@".into(), "\u{a0}".into())])), Ok(()));
        let refused = |checked| matches!(checked, Err(OutOfLimits::Characters { .. }));
        for bad in ["a b", "a:b", "a/b", "a\r\nb", "aéb", "a&b"] {
            assert!(refused(session_name(bad)) && refused(source_identity(bad)), "{bad}");
        }
        for bad in ["a b", "a\\b", "a\r\nb"] {
            assert!(refused(external_id(bad)), "{bad}");
        }
        assert!(refused(mfa_code("12345a")) && refused(mfa_code("12345٣")) && refused(mfa_serial("arn:a b c d")));
        assert!(refused(policy("{\u{100}}", 9)) && refused(arn("a", &format!("{}\u{0}", "a".repeat(20)))));
        assert!(refused(tags(&[("a\n".into(), String::new())])) && refused(transitive_tag_keys(&["*".into()])));
    }

    #[test]
    fn counts_and_durations() {
        let many = |count: usize| vec!["a".repeat(20); count];
        assert_eq!(policy_arns(&many(10)).and(transitive_tag_keys(&many(50))), Ok(()));
        let too_many = OutOfLimits::Count { what: "policy ARNs", has: 11, most: 10 };
        assert_eq!(policy_arns(&many(11)), Err(too_many));
        assert!(matches!(transitive_tag_keys(&many(51)), Err(OutOfLimits::Count { has: 51, .. })));
        let pairs = |count: usize| vec![("k".to_owned(), "v".to_owned()); count];
        assert_eq!(tags(&pairs(50)), Ok(()));
        assert!(matches!(tags(&pairs(51)), Err(OutOfLimits::Count { has: 51, .. })));
        for (seconds, good) in [(899, false), (900, true), (43_200, true), (43_201, false)] {
            assert_eq!(duration(Duration::from_secs(seconds)).is_ok(), good, "{seconds}");
        }
    }

    #[test]
    fn an_error_says_what_is_allowed_and_not_what_was_given() {
        let text = external_id("hunter2 ").unwrap_err().to_string();
        assert_eq!(text, "the external id may hold ASCII letters, digits and _+=,.@:/- only");
        let text = session_name("h").unwrap_err().to_string();
        assert_eq!(text, "the session name has 1 characters, and may have 2 to 64");
    }
}
