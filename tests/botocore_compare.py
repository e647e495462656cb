"""Compares the signatures of `sigv4_curl --lines` with those of botocore and of awscrt, AWS's signer in C.

    python tests/botocore_compare.py target/debug/examples/sigv4_curl

Signers differ where the rules leave room. Each such difference is a rule of RULES below: it says when it applies, why we do
otherwise, and how the request has to be put to the other signer so that the signatures are equal again. A signature that is
not equal after the rules that apply is an error; so is a rule that no longer makes a difference.
"""

import collections
import datetime
import hashlib
import json
import re
import subprocess
import sys
from unittest import mock
from urllib.parse import quote, unquote_to_bytes, urlsplit

import awscrt.auth
import awscrt.http
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import botocore_requests

# Enough that each of the two compares 2,000 and more.
COUNT = 2400
SHA256 = "x-amz-content-sha256"
TOKENS = ("x-amz-security-token", "x-amz-s3session-token")
# What `HeaderSelection::all` leaves out, as its documentation says.
UNSIGNED = {
    "authorization", "user-agent", "x-amzn-trace-id", "connection", "expect", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade", "accept-encoding", "content-length", "via", "forwarded", "x-real-ip", "traceparent",
    "tracestate", "baggage", "cache-control", "from", "max-forwards", "pragma", "referer",
}  # fmt: skip
UNSIGNED_PREFIXES = ("proxy-", "x-forwarded-", "cf-", "sec-")
STABLE = {"host", "content-type", "content-md5", "range"}
SINGLE = {"s3", "s3-outposts", "s3-object-lambda", "s3express"}
AUTH_PARAMETERS = {
    "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-region-set", "x-amz-s3session-token",
    "x-amz-security-token", "x-amz-signature", "x-amz-signedheaders",
}  # fmt: skip


class Case:
    """A request as it is put to another signer; the rules change it."""

    def __init__(self, request):
        self.request = request
        self.service = request["service"]
        self.method = request["method"]
        split = urlsplit(request["url"])
        self.scheme, self.authority = split.scheme, split.netloc
        rest = request["url"].split("://", 1)[1][len(self.authority) :]
        self.path, _, query = rest.partition("?")
        self.path = self.path or "/"
        self.query = query
        self.headers = [(name.lower(), value) for name, value in request["headers"]]
        self.body = bytes.fromhex(request.get("body_hex", ""))
        self.token = request.get("session_token")
        self.presign = request.get("presign")
        habit = self.service in SINGLE
        self.single = {"single": True, "double": False}.get(request.get("encode"), habit)
        self.normalize = request.get("normalize", not habit)
        self.time = datetime.datetime.strptime(request["time"], "%Y%m%dT%H%M%SZ")
        # What a rule has to tell botocore or awscrt beside the request.
        self.payload = None
        self.keeps_date = False
        self.http_spaces = False
        self.keeps_duplicates = False

    def names(self):
        return {name for name, _ in self.headers}

    def without(self, *names):
        self.headers = [(name, value) for name, value in self.headers if name not in names]

    def pairs(self):
        return self.query.split("&") if self.query else []

    def our_payload(self):
        """What we sign of the body, by the documentation of `--payload`."""
        mode = self.request.get("payload")
        carried = dict(self.headers).get(SHA256)
        if mode == "signed":
            return hashlib.sha256(self.body).hexdigest()
        if mode == "unsigned":
            return "UNSIGNED-PAYLOAD"
        if carried:
            return carried
        lattice = self.service == "vpc-lattice-svcs"
        if mode is None and (lattice or (self.presign and self.service in SINGLE)):
            return "UNSIGNED-PAYLOAD"
        return hashlib.sha256(self.body).hexdigest()

    def our_payload_header(self):
        """Whether x-amz-content-sha256 goes out."""
        lattice = self.service == "vpc-lattice-svcs"
        wants = lattice or self.service in SINGLE | {"glacier", "aoss"}
        payload = self.our_payload()
        if self.presign:
            return SHA256 in self.names() or lattice or (wants and payload != "UNSIGNED-PAYLOAD")
        return wants or len(payload) != 64 or SHA256 in self.names()


# --- the rules -------------------------------------------------------------------------------------------------------

BOTH = ("botocore", "awscrt")
RULES = []


def rule(peers, why):
    """Makes a function `rule(case, peer) -> whether it changed anything` one of the rules."""

    def register(function):
        RULES.append((function.__name__, peers, why, function))
        return function

    return register


@rule(BOTH, "an earlier signature's headers go before we sign; awscrt refuses them, botocore signs some in a URL")
def earlier_signature(case, peer):
    before = len(case.headers)
    case.without("authorization", "x-amz-date", *TOKENS)
    return len(case.headers) != before


@rule(BOTH, "an earlier signature's parameters go before we sign; awscrt refuses them, botocore signs them")
def earlier_parameters(case, peer):
    kept = [pair for pair in case.pairs() if pair.split("=")[0].lower() not in AUTH_PARAMETERS]
    changed = kept != case.pairs()
    case.query = "&".join(kept)
    return changed


@rule(BOTH, "by default we sign the headers that proxies leave alone, and never those of one hop; the others sign nearly all")
def selected_headers(case, peer):
    def signed(name, value):
        if case.request["headers_mode"] == "all" or name == "host":
            return name not in UNSIGNED and not name.startswith(UNSIGNED_PREFIXES)
        chunked = name == "content-encoding" and any(
            coding.strip().lower() == "aws-chunked"
            for other, codings in case.headers
            if other == name
            for coding in codings.split(",")
        )
        return name in STABLE or name.startswith("x-amz-") or chunked

    kept = [(name, value) for name, value in case.headers if signed(name, value)]
    changed = kept != case.headers
    case.headers = kept
    return changed


@rule(BOTH, "the host is signed as it is sent: botocore writes it in lower case, and awscrt signs what it is given")
def host_as_sent(case, peer):
    if "host" in case.names():
        return False
    host = case.authority.rpartition("@")[2]
    default = {"http": ":80", "https": ":443"}[case.scheme]
    if host.endswith(default) and not host.endswith("]"):
        host = host[: -len(default)]
    case.headers.append(("host", host))
    return peer == "awscrt" or host != host.lower()


@rule(BOTH, "x-amz-content-sha256 goes out where the service asks for it; elsewhere where the hash is not the body's")
def payload_as_asked(case, peer):
    payload, header = case.our_payload(), case.our_payload_header()
    case.without(SHA256)
    if header:
        case.headers.append((SHA256, payload))
    case.payload = payload
    return header or payload != hashlib.sha256(case.body).hexdigest()


@rule(BOTH, "--token after, and iotdevicegateway by habit: the token is added once the request is signed")
def token_after(case, peer):
    habit = "after" if case.service == "iotdevicegateway" else "signed"
    if not case.token or case.request.get("token", habit) == "signed":
        return False
    case.token = None
    return True


@rule(("botocore",), "Date is a header like any other to us, and x-amz-date is always sent; botocore sends one of them")
def date_beside(case, peer):
    case.keeps_date = "date" in case.names()
    return case.keeps_date


@rule(("botocore",), "only space and tab fold in a header; Python's split folds the no-break space as well")
def no_break_space(case, peer):
    case.http_spaces = any(re.search(r"[^\S \t]", value) for _, value in case.headers)
    return case.http_spaces


@rule(BOTH, "where the path is encoded once, S3 decodes it first, so raw and escaped characters sign alike")
def path_decoded(case, peer):
    if not case.single:
        return False
    path = normal(case.path) if case.normalize else case.path
    decoded = quote(unquote_to_bytes(path), safe="/-._~")
    changed = decoded != path
    if changed:
        # A dot that was escaped is not a dot segment: awscrt must not see it as one now.
        case.path, case.normalize = decoded, False
    return changed


@rule(("botocore",), "of several parameters with one name a URL of botocore's keeps the first; ours keeps them all")
def duplicates(case, peer):
    names = [unquote_to_bytes(pair.split("=")[0].replace("+", " ")) for pair in case.pairs() if pair]
    case.keeps_duplicates = bool(case.presign) and len(set(names)) != len(names)
    return case.keeps_duplicates


@rule(BOTH, "a plus in a query is a space to S3 and most servers: we send %20; botocore leaves it, awscrt makes it %2B")
def plus_is_space(case, peer):
    changed = "+" in case.query
    case.query = case.query.replace("+", "%20")
    return changed


@rule(BOTH, "every parameter is decoded and encoded, on the wire too; the others sign some spellings as they stand")
def query_spelling(case, peer):
    def spelled(pair):
        return "=".join(quote(unquote_to_bytes(part), safe="-._~") for part in pair.split("=", 1))

    query = "&".join(spelled(pair) for pair in case.pairs())
    changed = query != case.query
    case.query = query
    return changed


@rule(("botocore",), "between two & there is no parameter; botocore signs one without name and value")
def empty_parameters(case, peer):
    kept = [pair for pair in case.pairs() if pair]
    changed = kept != case.pairs()
    case.query = "&".join(kept)
    return changed


def normal(path):
    """Empty and dot segments resolved, as botocore does."""
    return botocore.auth.normalize_url_path(path)


# --- what cannot be compared -----------------------------------------------------------------------------------------

NOT_COMPARED = {
    "botocore has no habit of encoding once and normalising, or twice and not normalising": (
        lambda case, peer: peer == "botocore" and case.single == case.normalize
    ),
    "awscrt refuses x-amz-content-sha256 beside a URL; botocore judges these": (
        lambda case, peer: peer == "awscrt" and case.presign and case.our_payload_header()
    ),
}


def refused(request):
    """A URL that is signed already cannot be signed again: the one request that we refuse."""
    case = Case(request)
    return bool(case.presign) and any(pair.split("=")[0].lower() in AUTH_PARAMETERS for pair in case.pairs())


# --- the other signers -----------------------------------------------------------------------------------------------


class Habits:
    """What a case asks of a signer of botocore, beside the request; nothing where no rule has set it."""

    case = None

    def _normalize_url_path(self, path):
        return path if self.case.single else super()._normalize_url_path(path)

    def _header_value(self, value):
        return " ".join(re.split(r"[ \t]+", value.strip(" \t"))) if self.case.http_spaces else super()._header_value(value)

    def _set_necessary_date_headers(self, request):
        if not self.case.keeps_date:
            return super()._set_necessary_date_headers(request)
        request.headers["X-Amz-Date"] = request.context["timestamp"]

    def payload(self, request):
        return self.case.payload or super().payload(request)


class Header(Habits, botocore.auth.SigV4Auth):
    pass


class S3Header(Habits, botocore.auth.S3SigV4Auth):
    pass


class Query(Habits, botocore.auth.SigV4QueryAuth):
    def _modify_request_before_signing(self, request):
        url = request.url
        super()._modify_request_before_signing(request)
        if self.case.keeps_duplicates:
            own = [pair for pair in request.url.partition("?")[2].split("&") if pair.startswith("X-Amz-")]
            request.url = url + "&" + "&".join(own[-6 if self.credentials.token else -5 :])


class S3Query(Query, botocore.auth.S3SigV4QueryAuth):
    pass


def botocore_signature(case):
    request = case.request
    s3 = case.service in SINGLE and case.single
    signer = {(False, False): Header, (True, False): S3Header, (False, True): Query, (True, True): S3Query}
    extra = {"expires": case.presign} if case.presign else {}
    credentials = Credentials(request["access_key_id"], request["secret_access_key"], case.token)
    auth = signer[s3, bool(case.presign)](credentials, case.service, request["region"], **extra)
    auth.case = case
    url = f"{case.scheme}://{case.authority}{case.path}" + (f"?{case.query}" if case.query else "")
    # In a URL of botocore's the body would become parameters; what is signed of it is the case's payload.
    aws = AWSRequest(method=case.method, url=url, data=None if case.presign else case.body)
    for name, value in case.headers:
        aws.headers[name] = value
    with mock.patch("botocore.auth.get_current_datetime", lambda: case.time):
        auth.add_auth(aws)
    if case.presign:
        return aws.url.rpartition("X-Amz-Signature=")[2]
    return aws.headers["Authorization"].rpartition("Signature=")[2]


def awscrt_signature(case):
    request = case.request
    types = awscrt.auth.AwsSignatureType
    target = case.path + (f"?{case.query}" if case.query else "")
    message = awscrt.http.HttpRequest(case.method, target, awscrt.http.HttpHeaders(case.headers))
    payload = dict(case.headers).get(SHA256) or case.payload or hashlib.sha256(case.body).hexdigest()
    send_hash = SHA256 in case.names()
    message.headers.remove(SHA256) if send_hash else None
    # awscrt writes this header itself, but not for a URL.
    beside = send_hash and bool(case.presign)
    config = awscrt.auth.AwsSigningConfig(
        algorithm=awscrt.auth.AwsSigningAlgorithm.V4,
        signature_type=types.HTTP_REQUEST_QUERY_PARAMS if case.presign else types.HTTP_REQUEST_HEADERS,
        credentials_provider=awscrt.auth.AwsCredentialsProvider.new_static(
            request["access_key_id"], request["secret_access_key"], case.token
        ),
        region=request["region"],
        service=case.service,
        date=case.time.replace(tzinfo=datetime.timezone.utc),
        use_double_uri_encode=not case.single,
        should_normalize_uri_path=case.normalize,
        signed_body_value=payload,
        signed_body_header_type=awscrt.auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256
        if send_hash
        else awscrt.auth.AwsSignedBodyHeaderType.NONE,
        expiration_in_seconds=case.presign,
    )
    awscrt.auth.aws_sign_request(message, config).result()
    if case.presign:
        return re.search(r"X-Amz-Signature=([0-9a-f]+)", message.path)[1]
    return message.headers.get("Authorization").rpartition("Signature=")[2]


SIGNERS = {"botocore": botocore_signature, "awscrt": awscrt_signature}


# --- the comparison --------------------------------------------------------------------------------------------------


def ours(program, requests):
    """What sigv4_curl says of these requests."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([program, "--lines"], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def apply(case, peer, left_out=None):
    applied = []
    for name, peers, _, function in RULES:
        if peer in peers and name != left_out and function(case, peer):
            applied.append(name)
    return applied


def attempt(peer, case):
    """The signature, or why there is none."""
    try:
        return SIGNERS[peer](case)
    except Exception as error:  # noqa: BLE001  (a refusal is a difference like any other)
        return f"{type(error).__name__}: {error}"


class Result:
    def __init__(self):
        self.applied = collections.Counter()
        self.decisive = collections.Counter()
        self.not_compared = collections.Counter()
        self.compared = self.plain = self.wired = 0
        self.wrong = []


def compare(peer, requests, answers):
    result = Result()
    for request, answer in zip(requests, answers, strict=True):
        if refused(request):
            if "already has the parameter" not in answer.get("error", ""):
                result.wrong.append((request, answer, "should be refused", []))
            continue
        reason = next((why for why, hits in NOT_COMPARED.items() if hits(Case(request), peer)), None)
        if reason:
            result.not_compared[reason] += 1
            continue
        result.compared += 1
        case = Case(request)
        applied = apply(case, peer)
        theirs = attempt(peer, case)
        if theirs != answer.get("signature"):
            result.wrong.append((request, answer, theirs, applied))
            continue
        on_the_wire(peer, request, answer, result)
        if attempt(peer, Case(request)) == theirs:
            result.plain += 1
            continue
        for name in applied:
            result.applied[name] += 1
            without = Case(request)
            apply(without, peer, left_out=name)
            if attempt(peer, without) != theirs:
                result.decisive[name] += 1
    return result


# What our spelling of the URL settles for every reader: these rules have nothing to do for a request as we send it.
SETTLED = {"earlier_signature", "earlier_parameters", "plus_is_space", "query_spelling"}


def on_the_wire(peer, request, answer, result):
    """The request as we send it has to come to the same signature, and to need fewer explanations."""
    path, _, query = answer["url"].partition("?")
    own = AUTH_PARAMETERS | {"x-amz-date"}
    query = "&".join(pair for pair in query.split("&") if pair.split("=")[0].lower() not in own)
    headers = [pair for pair in answer["headers"] if pair[0] not in ("authorization", "x-amz-date", *TOKENS)]
    sent = {**request, "url": path + ("?" + query if query else ""), "headers": headers}
    case = Case(sent)
    normal_path = not case.normalize or normal(case.path) == case.path
    applied = apply(case, peer)
    if attempt(peer, case) != answer["signature"] or SETTLED & set(applied) or not normal_path:
        result.wrong.append((sent, answer, "as it is sent", applied))
    result.wired += 1


def main():
    program = sys.argv[1]
    requests = list(botocore_requests.generate(COUNT))
    answers = ours(program, requests)
    failed = False
    print(f"{COUNT} requests, {sum(map(refused, requests))} of which are refused since they are signed already")
    for peer in SIGNERS:
        result = compare(peer, requests, answers)
        enough = result.compared >= 2000
        failed = failed or not enough
        few = "" if enough else ", which is too few"
        print(f"{peer}: {result.compared} compared{few}, {result.wired} as sent too, {len(result.wrong)} unexplained")
        for why, count in result.not_compared.items():
            print(f"  {count:5} not compared: {why}")
        print(f"  {result.plain:5} agree as they are; the others for these reasons (applied, alone decisive):")
        for name, peers, why, _ in RULES:
            if peer not in peers:
                continue
            print(f"  {result.applied[name]:5} {result.decisive[name]:5}  {name}: {why}")
            if not result.decisive[name]:
                print(f"  {name} makes no difference any more: take it out")
                failed = True
        for request, answer, theirs, applied in result.wrong[:3]:
            print(json.dumps(request), json.dumps(answer), f"theirs: {theirs} after {applied}", sep="\n")
        failed = failed or bool(result.wrong)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
