"""Prints the signature that botocore computes for a presigned URL: METHOD URL SECRET."""

import sys
from urllib.parse import parse_qs, urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

method, url, secret = sys.argv[1:]
url = "&".join(pair for pair in url.split("&") if not pair.startswith("X-Amz-Signature="))
parameters = parse_qs(urlsplit(url).query)
key, _, region, service, _ = parameters["X-Amz-Credential"][0].split("/")
auth = botocore.auth.SigV4QueryAuth(Credentials(key, secret), service, region)
request = AWSRequest(method=method, url=url)
request.context["timestamp"] = parameters["X-Amz-Date"][0]
print(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))
