use super::*;

const HASH: &str = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const TO_SIGN: &str = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n\
                       816cd5b414d056048ba4f7c5386d6e0533120fb1fcfa93762cf0fc39e2cf19e0";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLETOKEN/////////wEaCXVzLWVhc3Qt";

/// A canonical request, with some of its lines replaced.
fn request(changes: &[(usize, &str)]) -> String {
    let mut lines = vec![
        "POST",
        "/a%20b",
        "a=1&b=2",
        "content-type:application/json",
        "host:example.com",
        "x-amz-date:20150830T123600Z",
        "",
        "content-type;host;x-amz-date",
        HASH,
    ];
    for (line, text) in changes {
        lines[*line] = text;
    }
    lines.join("\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn s3(canonical: &str, to_sign: &str) -> String {
    let (canonical, to_sign) = (escape(canonical), escape(to_sign));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature \
         we calculated does not match the signature you provided. Check your key and signing method.</Message>\
         <AWSAccessKeyId>AKIDEXAMPLE</AWSAccessKeyId><StringToSign>{to_sign}</StringToSign>\
         <SignatureProvided>abc</SignatureProvided><StringToSignBytes>41 57 53</StringToSignBytes>\
         <CanonicalRequest>{canonical}</CanonicalRequest><CanonicalRequestBytes>50 4f</CanonicalRequestBytes></Error>"
    )
}

fn message(canonical: &str, to_sign: &str) -> String {
    format!(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
         signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should \
         have been\n'{canonical}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n"
    )
}

fn json(canonical: &str, to_sign: &str) -> String {
    let message = message(canonical, to_sign).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{{\"__type\":\"com.amazon.coral.service#InvalidSignatureException\",\"message\":\"{message}\"}}")
}

fn query_protocol(canonical: &str, to_sign: &str) -> String {
    let message = escape(&message(canonical, to_sign));
    format!(
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
         <Code>SignatureDoesNotMatch</Code><Message>{message}</Message></Error></ErrorResponse>"
    )
}

/// Every shape of an answer gives the same diagnosis.
#[track_caller]
fn compare(theirs: &str, ours: &str) -> Diagnosis {
    let other = TO_SIGN.replace("816c", "0000");
    let found = [s3, json, query_protocol].map(|shape| diagnose(shape(theirs, &other).as_bytes(), ours, TO_SIGN));
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
    found[0].clone().expect("a diagnosis")
}

#[track_caller]
fn differs(theirs: &[(usize, &str)], ours: &[(usize, &str)], difference: &Difference, cause: &str, next_step: &str) {
    let found = compare(&request(theirs), &request(ours));
    assert_eq!(found.difference(), difference);
    assert!(found.cause().contains(cause), "{}", found.cause());
    assert!(found.next_step().contains(next_step), "{}", found.next_step());
    let text = found.to_string();
    assert!(text.contains(found.server()) && text.contains(found.ours()), "{text}");
}

#[test]
fn the_first_line_that_differs_is_named_with_its_usual_cause() {
    let header = |name: &str| Difference::Header(name.to_owned());
    let query = |name: &str| Difference::Query(name.to_owned());
    differs(&[(0, "GET")], &[], &Difference::Method, "redirect", "method that reaches");
    differs(&[(0, "GET"), (1, "/x")], &[], &Difference::Method, "redirect", "method that reaches");

    differs(&[(1, "/a%2520b")], &[], &Difference::Path, "a second time", "encode the path twice");
    differs(&[], &[(1, "/a%2520b")], &Difference::Path, "encoded once", "encode the path once");
    differs(&[(1, "/a//b/../c")], &[(1, "/a/c")], &Difference::Path, "normalised", "service's profile");
    differs(&[(1, "/a@b")], &[(1, "/a%40b")], &Difference::Path, "encoded in another way", "as the client sends it");
    differs(&[(1, "/prod/a%20b")], &[], &Difference::Path, "prefix", "that reaches the server");

    differs(&[(2, "a=%20&b=2")], &[(2, "a=%2B&b=2")], &query("a"), "raw `+`", "%2B");
    differs(&[(2, "a=1&b=3")], &[], &query("b"), "value was changed", "before the signer");
    differs(&[(2, "a=1&aa=x&b=2")], &[], &query("aa"), "added after", "before the request is signed");
    differs(&[(2, "b=2")], &[], &query("a"), "taken away", "strips");
    differs(&[(2, "")], &[], &query("a"), "taken away", "strips");

    differs(&[(3, "content-type:application/json; charset=utf-8")], &[], &header("content-type"), "client", "before");
    differs(&[(4, "host:example.com:443")], &[], &header("host"), "has a port", "default port");
    differs(&[(4, "host:internal")], &[], &header("host"), "reverse proxies", "pass Host on unchanged");
    differs(&[(5, "x-amz-date:20150830T130000Z")], &[], &header("x-amz-date"), "earlier attempt", "every attempt anew");
    differs(&[(3, "x-custom:A  b")], &[(3, "x-custom:a b")], &header("x-custom"), "white space", "trimmed");
    differs(&[(3, "x-custom:other")], &[(3, "x-custom:a")], &header("x-custom"), "layer, the client", "leave it out");
    differs(
        &[(3, "connection:close\ncontent-type:application/json")],
        &[],
        &header("connection"),
        "not signed here",
        "let one layer sign",
    );
    differs(&[(3, "host:example.com"), (4, "x-a:b")], &[], &header("content-type"), "client", "before");
    differs(&[], &[(3, "a-hop:1\ncontent-type:application/json")], &header("a-hop"), "taken away", "pass it on");

    differs(&[(7, "host;x-amz-date")], &[], &Difference::SignedHeaders, "Authorization", "one layer sign");
    differs(&[(8, EMPTY)], &[], &Difference::PayloadHash, "did not reach", "still has its body");
    differs(&[], &[(8, EMPTY)], &Difference::PayloadHash, "as if its body were empty", "hand the body");
    differs(&[(8, &HASH.replace('4', "5"))], &[], &Difference::PayloadHash, "compression", "before the request");
    differs(&[], &[(8, "UNSIGNED-PAYLOAD")], &Difference::PayloadHash, "does not take UNSIGNED", "sign the body");
    differs(
        &[(8, "UNSIGNED-PAYLOAD")],
        &[],
        &Difference::PayloadHash,
        "though the body was signed",
        "after the signer",
    );
    differs(&[], &[(8, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")], &Difference::PayloadHash, "signed chunks", "whole body");
}

#[test]
fn equal_canonical_requests_mean_another_secret() {
    let canonical = request(&[]);
    for shape in [s3, json, query_protocol] {
        let found = diagnose(shape(&canonical, TO_SIGN).as_bytes(), &canonical, TO_SIGN).unwrap();
        assert_eq!(found.difference(), &Difference::None);
        assert!(found.cause().contains("secret access key"));
        assert!(found.to_string().starts_with("the server computed the same string to sign"));
    }
}

#[test]
fn the_string_to_sign_is_compared_where_the_request_is_equal_or_not_shown() {
    let canonical = request(&[]);
    let cases = [
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", Difference::Algorithm, "another kind"),
        ("T123600Z", "T123601Z", Difference::Timestamp, "x-amz-date was changed"),
        ("20150830/us", "20150831/us", Difference::Scope, "date"),
        ("us-east-1", "eu-west-1", Difference::Scope, "another region"),
        ("/service/", "/s3/", Difference::Scope, "another service name"),
        ("us-east-1/", "", Difference::Scope, "a set of regions"),
    ];
    for (ours, theirs, difference, cause) in cases {
        let answer = s3(&canonical, &TO_SIGN.replace(ours, theirs));
        let found = diagnose(answer.as_bytes(), &canonical, TO_SIGN).unwrap();
        assert_eq!(found.difference(), &difference);
        assert!(found.cause().contains(cause), "{}", found.cause());
    }

    let alone = format!("<Error><StringToSign>{}</StringToSign></Error>", TO_SIGN.replace("816c", "0000"));
    let found = diagnose(alone.as_bytes(), &canonical, TO_SIGN).unwrap();
    assert_eq!(found.difference(), &Difference::CanonicalRequestHash);
    assert!(found.cause().contains("otherwise than signed"));

    // The same request cannot have another hash: such an answer is not believed.
    let contradiction = s3(&canonical, &TO_SIGN.replace("816c", "0000"));
    let found = diagnose(contradiction.as_bytes(), &canonical, TO_SIGN).unwrap();
    assert_eq!(found.difference(), &Difference::None);
}

#[test]
fn complaints_of_clock_and_scope_are_understood() {
    let cases = [
        ("Signature expired: 20150830T123600Z is now earlier than 20150831T000000Z", Difference::Timestamp, "clock"),
        ("Signature not yet current: 20150830T123600Z is still later than 2015", Difference::Timestamp, "clock"),
        ("The difference between the request time and the current time is too large.", Difference::Timestamp, "clock"),
        ("Credential should be scoped to a valid region.", Difference::Scope, "another region or service"),
        ("the region 'us-east-1' is wrong; expecting 'eu-west-1'", Difference::Scope, "another region or service"),
    ];
    for (text, difference, cause) in cases {
        for body in [format!("{{\"message\":\"{text}\"}}"), format!("<Error><Message>{text}</Message></Error>")] {
            let found = diagnose(body.as_bytes(), &request(&[]), TO_SIGN).unwrap();
            assert_eq!((found.difference(), found.server()), (&difference, text));
            assert!(found.cause().contains(cause), "{}", found.cause());
            assert!(!found.ours().is_empty());
        }
    }
}

#[test]
fn other_answers_say_nothing() {
    for body in ["", "hello", "{}", "{\"message\":\"User is not authorized\"}", "<Error><Code>NoSuchKey</Code></Error>"]
    {
        assert_eq!(diagnose(body.as_bytes(), &request(&[]), TO_SIGN), None, "{body}");
    }
    assert_eq!(diagnose(&[0xff, 0xfe, 0], &request(&[]), TO_SIGN), None);
}

#[test]
fn an_odd_form_is_compared_by_lines() {
    let ours = request(&[]);
    let torn = ours.lines().take(4).collect::<Vec<_>>().join("\n").replace("json", "xml");
    let found = compare(&torn, &ours);
    assert_eq!(found.difference(), &Difference::Line(4));
    assert_eq!((found.server(), found.ours()), ("content-type:application/xml", "content-type:application/json"));

    let end = ours.lines().take(3).collect::<Vec<_>>().join("\n");
    assert_eq!(compare(&end, &ours).server(), "(absent)");
}

#[test]
fn no_side_shows_a_secret() {
    let other = TOKEN.replace("EXAMPLE", "ANOTHER");
    for name in ["x-amz-security-token", "x-amz-s3session-token", "x-amz-server-side-encryption-customer-key", "cookie"]
    {
        let ours = request(&[(3, &format!("{name}:{TOKEN}"))]);
        let theirs = request(&[(3, &format!("{name}:{other}"))]);
        let found = compare(&theirs, &ours);
        assert_eq!(found.difference(), &Difference::Header(name.to_owned()));
        assert_eq!(found.ours(), format!("({} characters, not shown)", TOKEN.len()));
        assert!(!format!("{found:?}{found}").contains("IQoJ"), "{found}");

        let gone = compare(&request(&[(3, "host:x")]), &ours);
        assert!(!format!("{gone:?}{gone}").contains("IQoJ"), "{gone}");
    }

    let encoded = TOKEN.replace('/', "%2F");
    let query = format!("X-Amz-Security-Token={encoded}&b=2");
    let found = compare(&request(&[(2, &query.replace("EXAMPLE", "ANOTHER"))]), &request(&[(2, &query)]));
    assert_eq!(found.difference(), &Difference::Query("X-Amz-Security-Token".to_owned()));
    assert!(!format!("{found:?}{found}").contains("IQoJ"), "{found}");

    // The token where it does not belong: in the path, in a torn request, in a complaint.
    let ours = request(&[(3, &format!("x-amz-security-token:{TOKEN}"))]);
    let found = compare(&ours.replace("/a%20b", &format!("/{TOKEN}")), &ours);
    assert_eq!(found.server(), "/(secret, not shown)");
    let torn = compare(&format!("POST\nx-amz-security-token:{TOKEN}"), &ours);
    assert!(!format!("{torn:?}{torn}").contains("IQoJ"), "{torn}");
    let token = format!("x-amz-security-token:{TOKEN}");
    for (line, text) in [(2, format!("a=1&b=2&x{token}=")), (2, format!("a=1&b=2&x{token}")), (4, format!("{TOKEN}:x"))]
    {
        let named = compare(&request(&[(3, &token), (line, &text)]), &ours);
        assert!(!format!("{named:?}{named}").contains("IQoJ"), "{named}");
        assert!(named.to_string().contains("(secret, not shown)"), "{named}");
    }
    let complaint = format!("<Message>Signature expired {TOKEN}</Message>");
    let found = diagnose(complaint.as_bytes(), &ours, TO_SIGN).unwrap();
    assert_eq!(found.server(), "Signature expired (secret, not shown)");
}

#[test]
fn long_values_are_shortened_around_the_difference_and_cannot_control_a_terminal() {
    let long = |end: &str| format!("/{}{end}", "é".repeat(500));
    let found = compare(&request(&[(1, &long("x"))]), &request(&[(1, &long("y"))]));
    assert!(found.server().starts_with('…') && found.server().ends_with('x'), "{}", found.server());
    assert!(found.server().len() < 300);

    let found = compare(&request(&[(1, "/\u{1b}[2Jx")]), &request(&[]));
    assert_eq!(found.server(), "/\\u{1b}[2Jx");
}

#[test]
fn what_the_signer_explains_can_be_compared() {
    let signer = crate::sign::Signer::new("s3", "us-east-1");
    let credentials = aws_credential_types::Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let (parts, ()) = http::Request::get("https://b.s3.us-east-1.amazonaws.com/k").body(()).unwrap().into_parts();
    let ours = signer.explain(&parts, crate::sign::PayloadHash::EMPTY, &credentials, std::time::UNIX_EPOCH).unwrap();
    let answer = s3(&ours.canonical_request.replace("/k", "/prefix/k"), "");
    let found = diagnose(answer.as_bytes(), &ours.canonical_request, &ours.string_to_sign).unwrap();
    assert_eq!((found.difference(), found.ours()), (&Difference::Path, "/k"));
}

proptest::proptest! {
    #[test]
    fn nothing_panics(answer in proptest::collection::vec(proptest::num::u8::ANY, 0..400), ours in "(?s).{0,200}") {
        let _ = diagnose(&answer, &ours, &ours);
    }

    #[test]
    fn no_mangled_answer_panics_or_shows_the_token(
        cut in 0_usize..2000, at in 0_usize..2000, junk in "[%&<>'\"\\\\\\n:u]{0,6}", shape in 0_usize..3, ours_cut in 0_usize..400,
    ) {
        let ours = request(&[(3, &format!("x-amz-security-token:{TOKEN}"))]);
        let shape = [s3, json, query_protocol][shape];
        let mut answer = shape(&ours.replace("EXAMPLE", "ANOTHER"), TO_SIGN);
        let at = (0..=at.min(answer.len())).rev().find(|at| answer.is_char_boundary(*at)).unwrap_or(0);
        answer.insert_str(at, &junk);
        answer.truncate(cut.min(answer.len()));
        if let Some(found) = diagnose(answer.as_bytes(), &ours, TO_SIGN) {
            proptest::prop_assert!(!format!("{found:?}{found}").contains("IQoJb3Jp"), "{}", found);
        }
        let _ = diagnose(answer.as_bytes(), &ours[..ours_cut.min(ours.len())], TO_SIGN);
    }
}
