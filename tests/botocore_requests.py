"""The generated requests of botocore_compare.py: a fixed seed, so that every run compares the same ones."""

import random

SERVICES = [
    # name in the scope, a host that says so, whether botocore's S3 signer is its own
    ("s3", "bucket.s3.eu-central-1.amazonaws.com", True),
    ("s3", "localhost:9000", True),
    ("s3-object-lambda", "ap-123456789012.s3-object-lambda.us-east-1.amazonaws.com", True),
    ("dynamodb", "dynamodb.us-west-2.amazonaws.com", False),
    ("iam", "iam.amazonaws.com", False),
    ("execute-api", "x1y2.execute-api.us-east-1.amazonaws.com", False),
    ("es", "search-logs-x1.us-east-1.es.amazonaws.com", False),
    ("lambda", "lambda.eu-west-1.amazonaws.com", False),
    ("glacier", "glacier.eu-west-1.amazonaws.com", False),
    ("aoss", "x1.eu-west-1.aoss.amazonaws.com", False),
    ("iotdevicegateway", "a1-ats.iot.us-east-1.amazonaws.com", False),
    ("vpc-lattice-svcs", "svc-1.7d67968.vpc-lattice-svcs.us-east-2.on.aws", False),
    ("execute-api", "[2001:db8::1]:8443", False),
]
REGIONS = ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1", "auto"]
METHODS = ["GET", "GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "REPORT"]
SEGMENTS = [
    "a", "B9", "key-._~", "%20", "a%20b", "%2F", "%2f", "a%2Bb", "a+b", "%25", "100%", "%zz", "@", "$(x)", "a:b;c=d,e",
    "it's", "*!", "&", "%E1%88%B4", "\u1234", "\u00e9", "{id}", "a|b", "a^b", "\"q\"", "[0]", ".", "..", "", "", "...",
    "%2E%2E", "arn:aws:lambda:us-east-1:1:function:f", "~%7E%7e",
]  # fmt: skip
NAMES = ["a", "b", "Action", "list-type", "prefix", "x.y", "A%20b", "%7E", "~", "k+", "\u00e9", "a[]", "", "versionId"]
VALUES = [
    "", "1", "a b".replace(" ", "%20"), "a+b", "%2B", "a/b", "a%2Fb", "a%2fb", "x=y", "x==", "?", ":@", "!$'()*,;", "\u00fc",
    "%C3%BC", "100%", "%zz", "%7e", "~._-", "{}", "%00", "2010-05-08",
]  # fmt: skip
HEADERS = [
    ("content-type", ["application/json", "application/x-amz-json-1.0", "text/plain;  charset=utf-8", ""]),
    ("content-md5", ["1B2M2Y8AsgTpgAmY7PhCfg=="]),
    ("range", ["bytes=0-9"]),
    ("x-amz-target", ["DynamoDB_20120810.CreateTable"]),
    ("x-amz-meta-a", ["b", "  two   spaces  ", "tab\tand\t tab", "\u00e9\u4e2d", "", "a,b", "no\u00a0break\u00a0"]),
    ("X-Amz-Meta-Case", ["Value", "\"quoted   text\""]),
    ("x-amz-acl", ["private"]),
    ("content-encoding", ["gzip", "aws-chunked", "gzip, aws-chunked"]),
    ("accept", ["*/*"]),
    ("accept-encoding", ["gzip, br"]),
    ("user-agent", ["agent/1.0"]),
    ("cache-control", ["no-cache"]),
    ("via", ["1.1 proxy"]),
    ("x-forwarded-for", ["10.0.0.1"]),
    ("x-amzn-trace-id", ["Root=1-5759e988-bd862e3fe1be46a994272793"]),
    ("connection", ["keep-alive"]),
    ("expect", ["100-continue"]),
    ("traceparent", ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]),
    ("my-header", ["one", "   lots   of   space   "]),
    ("date", ["Mon, 09 Sep 2011 23:36:00 GMT"]),
    ("x-amz-date", ["20000101T000000Z"]),
    ("authorization", ["AWS4-HMAC-SHA256 Credential=old"]),
    ("x-amz-security-token", ["of/earlier/credentials=="]),
    ("referer", ["https://example.com/"]),
    ("if-match", ["\"etag\""]),
]
SECRETS = ["wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "k", "\u00e9/+=", "0123456789" * 20]
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQ+a=="


def generate(count, seed=20150830):
    """Yields `count` requests, as `sigv4_curl --lines` takes them."""
    chance = random.Random(seed)
    for _ in range(count):
        yield one(chance)


def one(chance):
    """One request; each of its parts is plain most of the time, so that differences come apart."""
    service, host, s3 = chance.choice(SERVICES)
    scheme = "http" if "localhost" in host else chance.choice(["https", "https", "https", "http"])
    host += chance.choice([""] * 12 + [":443", ":80", ":8443"]) if ":" not in host else ""
    if chance.random() < 0.04:
        host = host.upper()
    if chance.random() < 0.03:
        host = "user:pass@" + host
    request = {
        "method": chance.choice(METHODS),
        "url": f"{scheme}://{host}{path(chance)}{query(chance)}",
        "headers": headers(chance, s3),
        "service": service,
        "region": chance.choice(REGIONS),
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": chance.choice(SECRETS),
        "time": time(chance),
        "headers_mode": chance.choice(["default", "all"]),
    }
    if chance.random() < 0.4:
        request["body_hex"] = chance.randbytes(chance.choice([0, 1, 15, 1000])).hex()
    if chance.random() < 0.4:
        request["session_token"] = TOKEN
    if chance.random() < 0.35:
        request["presign"] = chance.choice([1, 30, 3600, 604800])
    if chance.random() < 0.3:
        request["payload"] = chance.choice(["signed", "unsigned", "precomputed"])
    if chance.random() < 0.1:
        request["token"] = chance.choice(["signed", "after"])
    if chance.random() < 0.15:
        # The two habits that botocore has; the other two are compared with awscrt alone.
        request.update(chance.choice(HABITS))
    return request


HABITS = [
    {"encode": "single", "normalize": False},
    {"encode": "double", "normalize": True},
    {"encode": "single", "normalize": True},
    {"encode": "double", "normalize": False},
]


def path(chance):
    plain = chance.random() < 0.4
    choices = SEGMENTS[:3] if plain else SEGMENTS
    segments = [chance.choice(choices) for _ in range(chance.choice([0, 1, 1, 2, 3, 5]))]
    return "/" + "/".join(segments)


def query(chance):
    pairs = []
    plain = chance.random() < 0.5
    for _ in range(chance.choice([0, 0, 1, 2, 3, 5])):
        name = chance.choice(NAMES[:6] if plain else NAMES)
        value = chance.choice(["1", "2010-05-08", "a%20b", ""] if plain else VALUES)
        pairs.append(chance.choice([f"{name}={value}"] * 6 + [name, ""][: 1 if plain else 2]))
    if chance.random() < 0.03:
        pairs.append("X-Amz-Signature=0123&X-Amz-Date=20000101T000000Z")
    return "?" + "&".join(pairs) if pairs or chance.random() < 0.05 else ""


def headers(chance, s3):
    chosen = []
    for name, values in chance.sample(HEADERS, chance.choice([0, 1, 2, 3, 6])):
        for _ in range(chance.choice([1, 1, 1, 1, 3]) if name.lower().startswith(("x-amz-meta", "my-")) else 1):
            chosen.append([name, chance.choice(values)])
    if chance.random() < 0.05:
        chosen.append(["x-amz-content-sha256", "ab" * 32 if chance.random() < 0.5 else "UNSIGNED-PAYLOAD"])
    if chance.random() < 0.05:
        chosen.append(["host", chance.choice(["Other.example.com", "example.com:443"])])
    chance.shuffle(chosen)
    return chosen


def time(chance):
    day = f"{chance.randint(1990, 2037)}{chance.randint(1, 12):02}{chance.randint(1, 28):02}"
    return f"{day}T{chance.randint(0, 23):02}{chance.randint(0, 59):02}{chance.randint(0, 59):02}Z"
