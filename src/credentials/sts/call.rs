//! One call of STS: the request, its signature, the answer, and trying again.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header::CONTENT_TYPE};
use http_body_util::Full;

use super::{
    answer,
    failure::{CallFailure, Refusal},
    request::encode,
};
use crate::{
    clock::SharedTimeSource,
    credentials::{
        HttpClient,
        http::{Failed, Limits, retrying},
    },
    sign::{PayloadHash, Signer},
};

/// The longest message of STS that goes into an error.
const MAX_MESSAGE: usize = 300;

/// Shorter than this, a text is no secret, and taking it out of a message would only spoil that.
const MIN_SECRET: usize = 4;

/// STS as one load of a provider sees it.
#[derive(Debug)]
pub(crate) struct Sts<'a> {
    pub(super) provider: &'static str,
    pub(super) http: &'a HttpClient,
    pub(super) uri: Uri,
    pub(super) limits: Limits,
    pub(super) attempts: u32,
}

impl Sts<'_> {
    /// Calls an action with this form, which holds these secrets, signed for this region with these credentials.
    pub(super) async fn signed(
        &self,
        action: &'static str,
        form: String,
        secrets: &[&str],
        region: String,
        credentials: &Credentials,
        clock: &SharedTimeSource,
    ) -> Result<Credentials, CallFailure> {
        let form = Bytes::from(form);
        let signer = Signer::new("sts", region);
        let secrets = &[secrets, &[credentials.session_token().unwrap_or_default()]].concat();
        let (form, signer) = (&form, &signer);
        self.retrying(action, || async move {
            let request = self.sign(form, signer, credentials, clock.now())?;
            self.ask(action, request, secrets).await
        })
        .await
    }

    /// Calls an action with the form and the token that this gives for each try, unsigned.
    pub(super) async fn unsigned<F>(
        &self,
        action: &'static str,
        form_and_token: impl Fn() -> F,
    ) -> Result<Credentials, CallFailure>
    where
        F: Future<Output = Result<(String, String), CallFailure>>,
    {
        let form_and_token = &form_and_token;
        self.retrying(action, || async move {
            let (form, token) = form_and_token().await?;
            self.ask(action, self.request(form.into()), &[&token]).await
        })
        .await
    }

    async fn retrying<F>(&self, action: &str, once: impl Fn() -> F) -> Result<Credentials, CallFailure>
    where
        F: Future<Output = Result<Credentials, CallFailure>>,
    {
        let once = &once;
        retrying(self.attempts, || async move {
            once().await.map_err(|failure| {
                if failure.is_passing(action) { Failed::Again(failure) } else { Failed::Finally(failure) }
            })
        })
        .await
    }

    fn request(&self, form: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        request
    }

    fn sign(
        &self,
        form: &Bytes,
        signer: &Signer,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<Request<Full<Bytes>>, CallFailure> {
        let (mut parts, body) = self.request(form.clone()).into_parts();
        signer.sign(&mut parts, PayloadHash::of(form), credentials, now).map_err(CallFailure::NotSigned)?;
        Ok(Request::from_parts(parts, body))
    }

    async fn ask(
        &self,
        action: &str,
        request: Request<Full<Bytes>>,
        secrets: &[&str],
    ) -> Result<Credentials, CallFailure> {
        let response = self.http.send(request, self.limits).await.map_err(CallFailure::NoAnswer)?;
        if response.status().is_success() {
            return answer::read_credentials(action, self.provider, response.body()).map_err(CallFailure::Unreadable);
        }
        Err(CallFailure::Refused(refusal(&response, secrets)))
    }
}

fn refusal(response: &Response<Bytes>, secrets: &[&str]) -> Refusal {
    let fault = answer::read_fault(response.body()).unwrap_or_default();
    let request_id = response.headers().get("x-amzn-requestid").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let plain = request_id.len() <= 64 && request_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    // A service that means harm could send back what it was sent, as anything.
    let own = |text: &str| !secrets.iter().any(|secret| secret.contains(text));
    let code = fault.code.strip_suffix("Exception").unwrap_or(&fault.code);
    Refusal {
        status: response.status(),
        code: if own(code) { code.to_owned() } else { String::new() },
        message: presentable(&fault.message, secrets),
        request_id: if plain && own(request_id) { request_id.to_owned() } else { String::new() },
    }
}

/// What of a message may be shown. The first line, since where signatures differ STS goes on with the canonical request,
/// token and all; bounded, and without what was sent in confidence.
fn presentable(message: &str, secrets: &[&str]) -> String {
    let line = message.trim().lines().next().unwrap_or_default();
    // Left out first: within a secret they would keep it from being found.
    let mut line: String = line.chars().filter(|character| !character.is_control()).collect();
    for secret in secrets.iter().filter(|secret| secret.len() >= MIN_SECRET) {
        line = line.replace(*secret, "***").replace(&encode(secret), "***");
    }
    line.chars().take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_of_a_message_is_shown_and_nothing_that_was_sent() {
        let message = " no: tok+en and tok%2Ben\u{7} \u{e9}\nThe Canonical String was hunter2";
        assert_eq!(presentable(message, &["tok+en", "", "a"]), "no: *** and *** \u{e9}");
        assert_eq!(presentable("no: t\u{7}ok+e\u{1b}n", &["tok+en"]), "no: ***");
        assert_eq!(presentable(&"x".repeat(1000), &[]).len(), MAX_MESSAGE);
        assert_eq!(presentable("", &["secret"]), "");
    }

    #[test]
    fn a_request_id_that_is_none_is_left_out() {
        for (id, shown) in [("ab-12", "ab-12"), ("<b>", ""), (&*"a".repeat(65), "")] {
            let response = Response::builder().status(400).header("x-amzn-requestid", id).body(Bytes::new()).unwrap();
            assert_eq!(refusal(&response, &[]).request_id, shown);
            assert_eq!(refusal(&response, &["token-ab-12<b>"]).request_id, "");
        }
    }
}
