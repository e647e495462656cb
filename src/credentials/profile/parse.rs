//! The text of one file into its sections, line by line.

use std::fmt;

/// The two characters that count as white space in these files.
const BLANK: [char; 2] = [' ', '\t'];
const COMMENT: [char; 2] = ['#', ';'];

/// A section as it is written: the text between the brackets, and the properties beneath in their order.
#[derive(Debug, PartialEq)]
pub(super) struct RawSection<'a> {
    pub(super) title: &'a str,
    pub(super) properties: Vec<(&'a str, String)>,
}

/// Where a file stops being readable. It tells the line and not what stands there, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ParseError {
    pub(super) line: usize,
    pub(super) problem: Problem,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Something stands before the first section.
    NoSection,
    /// A section's title has no closing bracket.
    OpenTitle,
    /// A property has no `=`.
    NoEquals,
    /// A property has no name.
    NoName,
    /// A line is indented, and there is no property above that it could go on with.
    NothingToContinue,
    /// The same as `NoEquals`, one level down.
    NestedNoEquals,
    /// The same as `NoName`, one level down.
    NestedNoName,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::NoSection => "stands before the first section, which is written like [profile name]",
            Problem::OpenTitle => "opens a section and does not end with ]",
            Problem::NoEquals => "should set a property and has no =",
            Problem::NoName => "sets a property that has no name",
            Problem::NothingToContinue => "is indented, and there is no property above it to go on with",
            Problem::NestedNoEquals => "should set a nested property and has no =",
            Problem::NestedNoName => "sets a nested property that has no name",
        };
        write!(f, "line {} {problem}", self.line)
    }
}

/// Reads a file in the format of
/// [the shared configuration files](https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html).
pub(super) fn parse(text: &str) -> Result<Vec<RawSection<'_>>, ParseError> {
    let mut sections = Vec::new();
    // Some editors put a byte order mark before the first section.
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.starts_with(COMMENT) || line.trim_matches(BLANK).is_empty() {
            continue;
        }
        let read = if line.starts_with('[') {
            title(line).map(|title| sections.push(RawSection { title, properties: Vec::new() }))
        } else {
            match sections.last_mut() {
                None => Err(Problem::NoSection),
                Some(section) if line.starts_with(BLANK) => section.go_on(line.trim_matches(BLANK)),
                Some(section) => property(without_comment(line), Problem::NoEquals, Problem::NoName)
                    .map(|(name, value)| section.properties.push((name, value.to_owned()))),
            }
        };
        read.map_err(|problem| ParseError { line: index + 1, problem })?;
    }
    Ok(sections)
}

impl RawSection<'_> {
    /// An indented line belongs to the property above it; where that has no value of its own, it is a nested property.
    fn go_on(&mut self, line: &str) -> Result<(), Problem> {
        let (_, value) = self.properties.last_mut().ok_or(Problem::NothingToContinue)?;
        if value.is_empty() || value.starts_with('\n') {
            if line.starts_with(COMMENT) {
                return Ok(());
            }
            property(line, Problem::NestedNoEquals, Problem::NestedNoName)?;
        }
        value.push('\n');
        value.push_str(line);
        Ok(())
    }
}

fn title(line: &str) -> Result<&str, Problem> {
    // A comment may follow the bracket without a space between them.
    let line = line.split(COMMENT).next().unwrap_or_default().trim_end_matches(BLANK);
    let title = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')).ok_or(Problem::OpenTitle)?;
    Ok(title.trim_matches(BLANK))
}

fn property(line: &str, no_equals: Problem, no_name: Problem) -> Result<(&str, &str), Problem> {
    let (name, value) = line.split_once('=').ok_or(no_equals)?;
    let name = name.trim_matches(BLANK);
    if name.is_empty() { Err(no_name) } else { Ok((name, value.trim_matches(BLANK))) }
}

/// In a property's line a comment starts at a mark that follows white space: a secret may hold the marks themselves.
fn without_comment(line: &str) -> &str {
    let mut after_blank = false;
    let end = line.find(|character| {
        let comment = after_blank && COMMENT.contains(&character);
        after_blank = BLANK.contains(&character);
        comment
    });
    &line[..end.unwrap_or(line.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> (usize, Problem) {
        let error = parse(text).unwrap_err();
        (error.line, error.problem)
    }

    #[test]
    fn sections_properties_and_comments() {
        let text =
            "\u{feff}# first\n[profile a] ; named\r\nkey = v=1 # said\r\n\nlong = one\n  two # three\n[b]# close\n";
        let sections = parse(text).unwrap();
        assert_eq!(sections[0].title, "profile a");
        let properties = [("key", "v=1".to_owned()), ("long", "one\ntwo # three".to_owned())];
        assert_eq!(sections[0].properties, properties);
        assert_eq!(sections[1], RawSection { title: "b", properties: vec![] });
    }

    #[test]
    fn a_mark_inside_a_value_is_no_comment() {
        let sections = parse("[default]\naws_secret_access_key = a#b;c\nempty =\t; none\n").unwrap();
        assert_eq!(sections[0].properties, [("aws_secret_access_key", "a#b;c".into()), ("empty", String::new())]);
    }

    #[test]
    fn nested_properties_are_checked_and_may_be_commented() {
        let sections = parse("[services s]\nsts =\n  # ours\n  endpoint_url = http://a\n  b =\n").unwrap();
        assert_eq!(sections[0].properties, [("sts", "\nendpoint_url = http://a\nb =".to_owned())]);
        assert_eq!(problem("[services s]\nsts =\n  oops"), (3, Problem::NestedNoEquals));
        assert_eq!(problem("[services s]\nsts =\n  = oops"), (3, Problem::NestedNoName));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_its_text() {
        assert_eq!(problem("key = value"), (1, Problem::NoSection));
        assert_eq!(problem("  key = value"), (1, Problem::NoSection));
        assert_eq!(problem("\n[profile a\nkey = value"), (2, Problem::OpenTitle));
        assert_eq!(problem("[a#b]"), (1, Problem::OpenTitle));
        assert_eq!(problem("[a]\nsecret"), (2, Problem::NoEquals));
        assert_eq!(problem("[a]\n= secret"), (2, Problem::NoName));
        assert_eq!(problem("[a]\n secret"), (2, Problem::NothingToContinue));
        assert_eq!(problem("[a]\nb = c\n[a]\n secret"), (4, Problem::NothingToContinue));
        let text = parse("[a]\nhunter2").unwrap_err().to_string();
        assert_eq!(text, "line 2 should set a property and has no =");
    }
}
