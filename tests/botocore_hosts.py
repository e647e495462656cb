"""Compares the service and region that `sigv4_curl --lines` infers from a host with botocore's service models.

    python tests/botocore_hosts.py target/debug/examples/sigv4_curl

For each service and a region of each partition, with and without FIPS and dual stack, botocore's endpoint rules name the host
and what to sign for. Where we say otherwise there is a reason, and it is listed below.
"""

import collections
import json
import subprocess
import sys
from urllib.parse import urlsplit

import botocore.session
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError

REGIONS = [
    "us-east-1", "us-west-2", "eu-central-1", "us-gov-west-1", "us-gov-east-1", "cn-north-1", "cn-northwest-1", "us-iso-east-1",
    "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1", "eusc-de-east-1",
]  # fmt: skip

REASONS = {
    "the sign-in pages have hosts of their own and take no signature": (
        lambda host, want, got: want == {"signin"} and got is None
    ),
    "Import/Export was retired, and had one host only": (
        lambda host, want, got: host.startswith("importexport")
    ),
    "one host stands for both of China's regions: the region has to be said": (
        lambda host, want, got: ".global.api.amazonwebservices.com.cn" in host and got == "no region"
    ),
    "GovCloud has no dual-stack host of its own for these; the host that it shares is us-east-1's": (
        lambda host, want, got: host in ("budgets.api.aws", "cloudfront.api.aws", "cloudfront-fips.api.aws")
    ),
}


def hosts():
    """Each host with the services and regions that it stands for."""
    loader = botocore.session.get_session().get_component("data_loader")
    partitions = loader.load_data("partitions")
    found = collections.defaultdict(set)
    for service in loader.list_available_services("service-2"):
        model = loader.load_service_model(service, "service-2")["metadata"]
        name = model.get("signingName") or model["endpointPrefix"]
        provider = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
        for region in REGIONS:
            for fips in (False, True):
                for dual in (False, True):
                    try:
                        endpoint = provider.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual)
                    except BotoCoreError:
                        continue
                    auth = (endpoint.properties.get("authSchemes") or [{}])[0]
                    scope = auth.get("signingName", name), auth.get("signingRegion", region)
                    found[urlsplit(endpoint.url).netloc].add(scope)
    return found


def path_of(host):
    """Amazon Location's hosts are shared by its first version; the models' requests are those of the second."""
    return "/v2/" if ".geo" in host else "/"


def scope(answer):
    if "error" in answer:
        return "no region" if "does not tell the region" in answer["error"] else None
    _, region, service, _ = answer["string_to_sign"].split("\n")[2].split("/")
    return service, region


def main():
    found = hosts()
    lines = "".join(
        json.dumps({"url": f"https://{host}{path_of(host)}", "access_key_id": "a", "secret_access_key": "b"}) + "\n"
        for host in found
    )
    # No AWS_REGION may stand in for what the host does not say.
    done = subprocess.run([sys.argv[1], "--lines"], input=lines, capture_output=True, text=True, check=True, env={})
    reasons, wrong = collections.Counter(), []
    for (host, want), line in zip(found.items(), done.stdout.splitlines(), strict=True):
        got = scope(json.loads(line))
        if got in want:
            continue
        services = {service for service, _ in want}
        reason = next((why for why, holds in REASONS.items() if holds(host, services, got)), None)
        if reason:
            reasons[reason] += 1
        else:
            wrong.append((host, want, got))
    print(f"{len(found)} hosts, {len(wrong)} of them unexplained")
    for reason in REASONS:
        print(f"  {reasons[reason]:5}  {reason}")
    for host, want, got in wrong[:20]:
        print(f"  {host}: {got}, not one of {sorted(want)}")
    sys.exit(1 if wrong or len(found) < 10_000 or not all(reasons[reason] for reason in REASONS) else 0)


if __name__ == "__main__":
    main()
