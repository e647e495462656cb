//! Six jobs as people do them with AWS, against moto with its authorisation switched on; and each with one thing wrong, to
//! see that it is refused for that.
//!
//! `.ci/moto` starts what they need and names it: `MOTO_ENDPOINT` is a server that the tests set up and switch to checking
//! signatures, `MOTO_OPEN_ENDPOINT` one that checks none, and `MOTO_PYTHON` the Python that moto is installed in.
//!
//! What moto 5.2.5 cannot judge is judged otherwise, and said so where it happens.
#![cfg(feature = "client")]

mod support;

use std::{process::Command, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use support::imds::Instance;
use tokio::sync::OnceCell;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_sigv4::{
    AssumeRoleProvider, CredentialsCache, EnvProvider, Environment, ImdsProvider, SigV4Layer, SigV4LayerBuilder,
    SignedBody,
    clock::{SystemTimeSource, TimeSource},
    credentials::{Credentials, ProvideCredentials},
    sign::{PayloadHash, Profile, Signer},
};

const REGION: &str = "us-east-1";
const ROLE: &str = "arn:aws:iam::123456789012:role/job";
const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
    "Principal":{"AWS":"*","Service":"lambda.amazonaws.com"}}]}"#;
/// What `urllib` leaves as it is: moto encodes forms anew before it hashes them.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What becomes of a request between the signer and the wire.
type Change = fn(&mut HeaderMap, &mut Uri, &mut Bytes);
const UNCHANGED: Change = |_, _, _| {};

// --- the server --------------------------------------------------------------------------------------------------------

fn variable(name: &str) -> String {
    Environment::process().var(name).unwrap().unwrap_or_else(|| panic!("{name} is set by .ci/moto"))
}

/// An account with a user, a role and a function.
struct Account {
    endpoint: String,
    key: String,
    secret: String,
}

impl Account {
    /// The one account of moto, set up by whichever test comes first.
    async fn get() -> &'static Self {
        static ACCOUNT: OnceCell<Account> = OnceCell::const_new();
        ACCOUNT.get_or_init(Self::set_up).await
    }

    async fn set_up() -> Self {
        let endpoint = variable("MOTO_ENDPOINT");
        let control = async |path: &str, body: &'static str| {
            let request = Request::post(format!("{endpoint}/moto-api/{path}")).header("content-type", "text/plain");
            let (status, text) = plain(request.body(Full::from(body)).unwrap()).await;
            assert!(status.is_success(), "{status} {text}");
        };
        control("reset", "").await;
        control("reset-auth", "inf").await;
        control("config", r#"{"lambda": {"use_docker": false}}"#).await;

        let anyone = || Credentials::new("AKIDSETUP", "any", None, None, "nobody checks yet");
        let iam = async |parameters: &[(&str, &str)]| {
            let request = Request::post(&endpoint).header("content-type", "application/x-www-form-urlencoded");
            let layer = SigV4Layer::new("iam", REGION, anyone());
            let (status, text) = send(layer, request.body(form("2010-05-08", parameters)).unwrap(), UNCHANGED).await;
            assert_eq!(status, StatusCode::OK, "{text}");
            text
        };
        iam(&[("Action", "CreateUser"), ("UserName", "job")]).await;
        let keys = iam(&[("Action", "CreateAccessKey"), ("UserName", "job")]).await;
        let policy = [("PolicyName", "everything"), ("PolicyDocument", EVERYTHING)];
        iam(&[&[("Action", "PutUserPolicy"), ("UserName", "job")], &policy[..]].concat()).await;
        iam(&[("Action", "CreateRole"), ("RoleName", "job"), ("AssumeRolePolicyDocument", TRUST)]).await;
        iam(&[&[("Action", "PutRolePolicy"), ("RoleName", "job")], &policy[..]].concat()).await;

        let function = format!(
            r#"{{"FunctionName": "job", "Runtime": "python3.12", "Role": "{ROLE}", "Handler": "index.handler",
                "Code": {{"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}}}"#
        );
        let request = Request::post(format!("{endpoint}/2015-03-31/functions")).body(function.into()).unwrap();
        let (status, text) = send(SigV4Layer::new("lambda", REGION, anyone()), request, UNCHANGED).await;
        assert_eq!(status, StatusCode::CREATED, "{text}");

        // From here on every signature is checked.
        control("reset-auth", "0").await;
        let key = between(&keys, "<AccessKeyId>", "</AccessKeyId>");
        let secret = between(&keys, "<SecretAccessKey>", "</SecretAccessKey>");
        Self { endpoint, key, secret }
    }

    /// The user's keys, as a shell has them.
    fn environment(&self) -> EnvProvider {
        self.with_secret(&self.secret)
    }

    fn with_secret(&self, secret: &str) -> EnvProvider {
        let variables = [("AWS_ACCESS_KEY_ID", &*self.key), ("AWS_SECRET_ACCESS_KEY", secret)];
        EnvProvider::new().with_environment(Environment::fixed(variables))
    }

    /// The role's credentials, from STS.
    fn role(&self) -> AssumeRoleProvider {
        let sts = AssumeRoleProvider::builder(ROLE, self.environment()).region(REGION);
        sts.endpoint_url(&self.endpoint).session_name("job").build()
    }
}

fn between(text: &str, start: &str, end: &str) -> String {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split_once(end).unwrap().0.to_owned()
}

fn form(version: &str, parameters: &[(&str, &str)]) -> Full<Bytes> {
    let encoded = |text| utf8_percent_encode(text, FORM);
    let pairs = parameters.iter().copied().chain([("Version", version)]);
    let pairs = pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect::<Vec<_>>();
    // As urllib writes a space.
    Full::from(pairs.join("&").replace("%20", "+"))
}

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn answer(response: Response<hyper::body::Incoming>) -> (StatusCode, String) {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, String::from_utf8_lossy(&body).into_owned())
}

async fn plain(request: Request<Full<Bytes>>) -> (StatusCode, String) {
    answer(client().request(request).await.unwrap()).await
}

/// Sends a request through the layer, and changes what the layer has signed.
async fn send(layer: SigV4Layer, request: Request<Full<Bytes>>, change: Change) -> (StatusCode, String) {
    let wire = service_fn(move |request: Request<SignedBody<Full<Bytes>>>| async move {
        let (mut parts, body) = request.into_parts();
        let mut body = body.collect().await?.to_bytes();
        change(&mut parts.headers, &mut parts.uri, &mut body);
        let response = client().request(Request::from_parts(parts, Full::new(body))).await?;
        Ok::<_, BoxError>(response)
    });
    answer(layer.layer(wire).oneshot(request).await.unwrap()).await
}

/// Moto's answer to a signature that it computes otherwise, and to a key or token that it does not know. For EC2 it has
/// one answer to both.
const MISMATCH: &str = "SignatureDoesNotMatch";
const UNKNOWN: &str = "InvalidClientTokenId";
const EC2_REFUSAL: &str = "AuthFailure";

#[track_caller]
fn refused((status, text): (StatusCode, String), code: &str) {
    let expected = if code == EC2_REFUSAL { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    assert_eq!(status, expected, "{text}");
    assert!(text.contains(&format!("<Code>{code}</Code>")), "{text}");
}

#[track_caller]
fn accepted((status, text): (StatusCode, String), word: &str) {
    assert!(status.is_success(), "{status} {text}");
    assert!(text.contains(word), "{text}");
}

// --- EC2 ---------------------------------------------------------------------------------------------------------------

/// Moto puts a GET's query into the body before it hashes the body, so it can only judge a GET that says the hash.
fn ec2(credentials: impl Into<CredentialsCache>) -> SigV4Layer {
    let mut profile = Profile::for_service("ec2");
    profile.content_sha256 = true;
    ec2_builder(credentials).profile(profile).build()
}

fn ec2_builder(credentials: impl Into<CredentialsCache>) -> SigV4LayerBuilder {
    SigV4Layer::builder(credentials).service("ec2").region(REGION)
}

fn describe_regions(endpoint: &str) -> Request<Full<Bytes>> {
    let uri = format!("{endpoint}/?Action=DescribeRegions&Version=2013-10-15");
    Request::get(uri).body(Full::default()).unwrap()
}

const A_REGION: &str = "<regionName>eu-central-1</regionName>";

#[tokio::test]
#[ignore = "needs moto: .ci/moto starts it"]
async fn ec2_with_keys_from_the_environment() {
    let account = Account::get().await;
    let request = || describe_regions(&account.endpoint);
    accepted(send(ec2(account.environment()), request(), UNCHANGED).await, A_REGION);

    refused(send(ec2(account.with_secret("wrong")), request(), UNCHANGED).await, EC2_REFUSAL);
    let query: Change = |_, uri, _| *uri = uri.to_string().replace("2013-10-15", "2016-11-15").parse().unwrap();
    refused(send(ec2(account.environment()), request(), query).await, EC2_REFUSAL);
    let hash: Change = |headers, _, _| {
        headers.insert("x-amz-content-sha256", "UNSIGNED-PAYLOAD".parse().unwrap());
    };
    refused(send(ec2(account.environment()), request(), hash).await, EC2_REFUSAL);
}

#[tokio::test]
#[ignore = "needs moto: .ci/moto starts it"]
async fn ec2_with_the_keys_of_an_instance() {
    let account = Account::get().await;
    // Moto has a metadata service too, but its keys are of no user, and it hands them to whoever asks without a token.
    let role = account.role().provide_credentials().await.unwrap();
    let document = |token: &str| {
        format!(
            r#"{{"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", "AccessKeyId": "{}",
                "SecretAccessKey": "{}", "Token": "{token}", "Expiration": "2099-01-01T00:00:00Z"}}"#,
            role.access_key_id(),
            role.secret_access_key()
        )
    };
    let mut instance = Instance::with_role("job");
    instance.documents.insert("job".to_owned(), document(role.session_token().unwrap()));
    let (metadata, instance) = support::imds::serve(instance).await;
    let imds =
        || ImdsProvider::builder().environment(Environment::fixed([("A", "b")])).endpoint(metadata.url("/")).build();

    let token_sent: Change = |headers, _, _| assert!(headers.contains_key("x-amz-security-token"));
    accepted(send(ec2(imds()), describe_regions(&account.endpoint), token_sent).await, A_REGION);
    let log = instance.lock().unwrap().log.join("\n");
    assert!(log.starts_with("PUT /latest/api/token 200\nGET /latest/meta-data/iam/security-credentials"), "{log}");

    let dropped: Change = |headers, _, _| drop(headers.remove("x-amz-security-token"));
    refused(send(ec2(imds()), describe_regions(&account.endpoint), dropped).await, EC2_REFUSAL);
    instance.lock().unwrap().documents.insert("job".to_owned(), document("of-another-session"));
    refused(send(ec2(imds()), describe_regions(&account.endpoint), UNCHANGED).await, EC2_REFUSAL);
}

#[tokio::test]
#[ignore = "needs moto: .ci/moto starts it"]
async fn ec2_with_a_role_from_sts() {
    let account = Account::get().await;
    let request = || describe_regions(&account.endpoint);
    let signed: Change = |headers, _, _| {
        let authorization = headers["authorization"].to_str().unwrap();
        assert!(authorization.contains(";x-amz-security-token,"), "{authorization}");
    };
    accepted(send(ec2(account.role()), request(), signed).await, A_REGION);

    let token: Change = |headers, _, _| {
        headers.insert("x-amz-security-token", "of-another-session".parse().unwrap());
    };
    refused(send(ec2(account.role()), request(), token).await, EC2_REFUSAL);
    let date: Change = |headers, _, _| {
        headers.insert("x-amz-date", "20150830T123600Z".parse().unwrap());
    };
    refused(send(ec2(account.role()), request(), date).await, EC2_REFUSAL);

    // STS itself refuses a source whose secret is wrong. Moto writes that in another form than STS, with no code to read.
    let wrong = AssumeRoleProvider::builder(ROLE, account.with_secret("wrong")).region(REGION);
    let wrong = wrong.endpoint_url(&account.endpoint).session_name("job").attempts(1).build();
    let error = support::all_words(&wrong.provide_credentials().await.unwrap_err());
    assert!(error.contains("403 Forbidden"), "{error}");
}

/// The GET as it is sent when nobody asks for `x-amz-content-sha256`: judged by scratchstack, since moto cannot.
#[tokio::test]
async fn ec2_without_the_hash_is_judged_by_another_verifier() {
    let key = "AKIAIOSFODNN7EXAMPLE";
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let now = SystemTimeSource::new().now();
    let signer = Signer::new("ec2", REGION);
    let credentials = Credentials::new(key, secret, Some("token".into()), None, "test");
    let (mut parts, _) = describe_regions("http://ec2.us-east-1.amazonaws.com").into_parts();
    signer.sign(&mut parts, PayloadHash::EMPTY, &credentials, now).unwrap();
    assert!(!parts.headers.contains_key("x-amz-content-sha256"));
    parts.headers.insert("host", "ec2.us-east-1.amazonaws.com".parse().unwrap());
    let request = |uri: &str| {
        let mut parts = parts.clone();
        parts.uri = uri.parse().unwrap();
        Request::from_parts(parts, ())
    };
    let right = "/?Action=DescribeRegions&Version=2013-10-15";
    assert_eq!(scratchstack(request(right), secret, "ec2").await, Ok(()));

    let wrong = scratchstack(request("/?Action=DescribeRegions&Version=2016-11-15"), secret, "ec2").await.unwrap_err();
    assert!(wrong.contains("does not match"), "{wrong}");
    let other = secret.replace('w', "W");
    let wrong = scratchstack(request(right), &other, "ec2").await.unwrap_err();
    assert!(wrong.contains("does not match"), "{wrong}");
    let wrong = scratchstack(request(right), secret, "s3").await.unwrap_err();
    assert!(wrong.contains("service"), "{wrong}");
}

async fn scratchstack(request: Request<()>, secret: &str, service: &str) -> Result<(), String> {
    use scratchstack_aws_signature as verifier;
    let secret: verifier::KSecretKey = secret.parse().unwrap();
    let key_of = move |request: verifier::GetSigningKeyRequest| {
        let key = secret.to_ksigning(request.request_date(), request.region(), request.service());
        async move {
            assert_eq!(request.session_token(), Some("token"));
            let user = verifier::principal::User::new("aws", "123456789012", "/", "job")?;
            Ok(verifier::GetSigningKeyResponse::builder().principal(user).signing_key(key).build()?)
        }
    };
    let mut keys = verifier::service_for_signing_key_fn(key_of);
    let now = SystemTimeSource::new().now().into();
    let headers = verifier::NO_ADDITIONAL_SIGNED_HEADERS;
    let options = verifier::SignatureOptions::default();
    let judged = verifier::sigv4_validate_request(request, REGION, service, &mut keys, now, &headers, options).await;
    judged.map(drop).map_err(|error| error.to_string())
}

// --- Lambda ------------------------------------------------------------------------------------------------------------

#[tokio::test]
#[ignore = "needs moto: .ci/moto starts it"]
async fn lambda_invoke_async() {
    let account = Account::get().await;
    let lambda = |provider| SigV4Layer::new("lambda", REGION, CredentialsCache::new(provider));
    let request = || {
        Request::post(format!("{}/2014-11-13/functions/job/invoke-async/", account.endpoint))
            .header("content-type", "application/json")
            .body(Full::from(r#"{"key": "value"}"#))
            .unwrap()
    };
    let signed: Change = |headers, _, _| {
        let authorization = headers["authorization"].to_str().unwrap();
        assert!(authorization.contains("SignedHeaders=content-type;host;x-amz-date"), "{authorization}");
    };
    let (status, text) = send(lambda(account.environment()), request(), signed).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{text}");

    refused(send(lambda(account.with_secret("wrong")), request(), UNCHANGED).await, MISMATCH);
    let body: Change = |_, _, body| *body = Bytes::from_static(br#"{"key": "other"}"#);
    refused(send(lambda(account.environment()), request(), body).await, MISMATCH);
    let header: Change = |headers, _, _| {
        headers.insert("content-type", "application/json; charset=utf-8".parse().unwrap());
    };
    refused(send(lambda(account.environment()), request(), header).await, MISMATCH);
}

// --- DynamoDB ----------------------------------------------------------------------------------------------------------

fn create_table(endpoint: &str, name: &str) -> Request<Full<Bytes>> {
    let table = format!(
        r#"{{"TableName": "{name}", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{{"AttributeName": "id", "AttributeType": "S"}}],
            "KeySchema": [{{"AttributeName": "id", "KeyType": "HASH"}}]}}"#
    );
    Request::post(endpoint)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "DynamoDB_20120810.CreateTable")
        .body(table.into())
        .unwrap()
}

#[tokio::test]
#[ignore = "needs moto: .ci/moto starts it"]
async fn dynamodb_create_table() {
    let account = Account::get().await;
    let dynamodb = |provider| SigV4Layer::new("dynamodb", REGION, CredentialsCache::new(provider));
    let request = |name| create_table(&account.endpoint, name);
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/right";
    accepted(send(dynamodb(account.environment()), request("right"), UNCHANGED).await, arn);

    refused(send(dynamodb(account.with_secret("wrong")), request("wrong"), UNCHANGED).await, MISMATCH);
    let body: Change = |_, _, body| *body = String::from_utf8_lossy(body).replace("wrong", "evil!").into();
    refused(send(dynamodb(account.environment()), request("wrong"), body).await, MISMATCH);
    let header: Change = |headers, _, _| {
        headers.insert("x-amz-target", "DynamoDB_20120810.DeleteTable".parse().unwrap());
    };
    refused(send(dynamodb(account.environment()), request("right"), header).await, MISMATCH);
    let token: Change = |headers, _, _| {
        headers.insert("x-amz-security-token", "of-nobody".parse().unwrap());
    };
    refused(send(dynamodb(account.environment()), request("wrong"), token).await, UNKNOWN);
    let nobody = Credentials::new("AKIANOBODYNOBODYNOBO", "secret", None, None, "test");
    let nobody = SigV4Layer::new("dynamodb", REGION, nobody);
    refused(send(nobody, request("wrong"), UNCHANGED).await, UNKNOWN);
}

// --- IAM, everything in the query ----------------------------------------------------------------------------------------

/// Moto does not read signatures in queries: with its authorisation on it fails with 500. So a moto that checks nothing does
/// the job, and the signature is computed anew by botocore.
#[tokio::test]
#[ignore = "needs moto: .ci/moto starts it"]
async fn iam_create_user_in_the_query() {
    let endpoint = variable("MOTO_OPEN_ENDPOINT");
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let presigned = |token: Option<&str>| {
        let credentials = Credentials::new("AKIDEXAMPLE", secret, token.map(Into::into), None, "test");
        let uri = "http://iam.amazonaws.com/?Action=CreateUser&Version=2010-05-08&UserName=presigned%20user";
        let (mut parts, ()) = Request::get(uri).body(()).unwrap().into_parts();
        let now = SystemTimeSource::new().now();
        let signer = Signer::new("iam", REGION);
        signer.presign(&mut parts, PayloadHash::EMPTY, &credentials, now, Duration::from_secs(30)).unwrap();
        assert!(parts.headers.is_empty());
        parts.uri
    };

    let url = presigned(None);
    assert!(url.query().unwrap().contains("&X-Amz-Expires=30&"), "{url}");
    let here = format!("{endpoint}{}", url.path_and_query().unwrap());
    // Moto finds the service by the scope in this header alone; nothing else of it is read.
    let route = "AWS4-HMAC-SHA256 Credential=none/20150830/us-east-1/iam/aws4_request";
    let request = Request::get(here).header("authorization", route).body(Full::default()).unwrap();
    let (status, text) = plain(request).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert!(text.contains("<UserName>presigned user</UserName>"), "{text}");

    for url in [url, presigned(Some("of/a+session=="))] {
        let ours = between(&format!("{url}&"), "X-Amz-Signature=", "&");
        assert_eq!(by_botocore(&Method::GET, &url, secret), ours);
        assert_ne!(by_botocore(&Method::POST, &url, secret), ours);
        assert_ne!(by_botocore(&Method::GET, &url, "wrong"), ours);
        for (from, to) in [("presigned%20user", "other"), ("Expires=30", "Expires=31"), ("us-east-1", "eu-west-1")] {
            let changed = url.to_string().replace(from, to);
            assert_ne!(changed, url.to_string());
            assert_ne!(by_botocore(&Method::GET, &changed.parse().unwrap(), secret), ours, "{changed}");
        }
    }
}

/// The signature that botocore computes for a presigned URL.
fn by_botocore(method: &Method, url: &Uri, secret: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/botocore_url.py");
    let done = Command::new(variable("MOTO_PYTHON")).args([script, method.as_str(), &url.to_string(), secret]).output();
    let done = done.unwrap();
    let text = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    assert_eq!(text.len(), 64, "{text} {}", String::from_utf8_lossy(&done.stderr));
    text
}
