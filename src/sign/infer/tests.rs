use super::*;

const ANY: &str = "*";
const UNSAID: &str = "?";

fn say(host: &str, path: &str) -> Option<(String, String)> {
    infer(host, path).map(|found| {
        let region = match &found.region {
            InferredRegion::One(region) => region.to_string(),
            InferredRegion::Any => ANY.to_owned(),
            InferredRegion::Unsaid => UNSAID.to_owned(),
        };
        (found.service.into_owned(), region)
    })
}

#[track_caller]
fn all(rows: &[(&str, &str, &str)]) {
    for (host, service, region) in rows {
        let (host, path) =
            host.split_once('/').map_or((*host, "/".to_owned()), |(host, path)| (host, format!("/{path}")));
        let expected = Some(((*service).to_owned(), (*region).to_owned()));
        assert_eq!(say(host, &path), expected, "{host}{path}");
        assert_eq!(say(&host.to_ascii_uppercase(), &path), expected, "{host} in capitals");
        assert_eq!(say(&format!("{host}:443"), &path), expected, "{host} with a port");
        assert_eq!(say(&format!("{host}."), &path), expected, "{host} with a root dot");
        let aws = !host.ends_with("r2.cloudflarestorage.com") && !host.ends_with("backblazeb2.com");
        assert_eq!(is_aws_host(host), aws, "{host} is AWS's");
    }
}

#[test]
fn resources_under_on_aws_and_region_first() {
    all(&[
        ("abcdef.lambda-url.us-east-1.on.aws", "lambda", "us-east-1"),
        ("svc-0123.7d67968.vpc-lattice-svcs.us-east-2.on.aws", "vpc-lattice-svcs", "us-east-2"),
        ("cluster1.dsql.eu-west-1.on.aws", "dsql", "eu-west-1"),
        ("search-logs-x1.aos.us-east-1.on.aws", "es", "us-east-1"),
        ("search-logs-x1.us-west-1.es.amazonaws.com", "es", "us-west-1"),
        ("search-logs-x1.cn-north-1.es.amazonaws.com.cn", "es", "cn-north-1"),
        ("x1.eu-central-1.aoss.amazonaws.com", "aoss", "eu-central-1"),
        ("db.cluster-x1.eu-west-1.neptune.amazonaws.com", "neptune-db", "eu-west-1"),
        ("g-0123abcd.us-east-1.neptune-graph.amazonaws.com", "neptune-graph", "us-east-1"),
        ("neptune-graph.us-east-1.amazonaws.com", "neptune-graph", "us-east-1"),
        ("logs-x1.us-east-1.osis.amazonaws.com", "osis", "us-east-1"),
        ("osis.us-east-1.amazonaws.com", "osis", "us-east-1"),
        ("search-movies-x1.us-east-2.cloudsearch.amazonaws.com", "cloudsearch", "us-east-2"),
    ]);
}

#[test]
fn s3_and_its_family() {
    all(&[
        ("s3.amazonaws.com", "s3", "us-east-1"),
        ("bucket.s3.amazonaws.com", "s3", "us-east-1"),
        ("my.dotted.bucket.s3.amazonaws.com", "s3", "us-east-1"),
        ("us-west-2.s3.amazonaws.com", "s3", "us-east-1"),
        ("elb.s3.amazonaws.com", "s3", "us-east-1"),
        ("ec2.us-west-2.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1"),
        ("under_score.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1"),
        ("s3.eu-west-1.amazonaws.com", "s3", "eu-west-1"),
        ("bucket.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1"),
        ("bucket.s3-fips.us-gov-west-1.amazonaws.com", "s3", "us-gov-west-1"),
        ("s3.dualstack.ap-south-1.amazonaws.com", "s3", "ap-south-1"),
        ("bucket.s3.dualstack.ap-south-1.amazonaws.com", "s3", "ap-south-1"),
        ("bucket.s3-fips.dualstack.us-east-2.amazonaws.com", "s3", "us-east-2"),
        ("bucket.s3.cn-north-1.amazonaws.com.cn", "s3", "cn-north-1"),
        ("s3-eu-west-1.amazonaws.com", "s3", "eu-west-1"),
        ("bucket.s3-eu-west-1.amazonaws.com", "s3", "eu-west-1"),
        ("s3-fips-us-gov-west-1.amazonaws.com", "s3", "us-gov-west-1"),
        ("s3-external-1.amazonaws.com", "s3", "us-east-1"),
        ("bucket.s3-accelerate.amazonaws.com", "s3", UNSAID),
        ("bucket.s3-accelerate.dualstack.amazonaws.com", "s3", UNSAID),
        ("s3.amazonaws.com.cn", "s3", UNSAID),
        ("123456789012.s3-control.us-east-1.amazonaws.com", "s3", "us-east-1"),
        ("123456789012.s3-control-fips.dualstack.us-east-1.amazonaws.com", "s3", "us-east-1"),
        ("s3-control.us-east-1.amazonaws.com", "s3", "us-east-1"),
        ("ap-123456789012.s3-accesspoint.us-east-1.amazonaws.com", "s3", "us-east-1"),
        ("ap-123456789012.s3-accesspoint.dualstack.us-east-1.amazonaws.com", "s3", "us-east-1"),
        ("ap-123456789012.op-01.s3-outposts.us-east-1.amazonaws.com", "s3-outposts", "us-east-1"),
        ("s3-outposts.us-east-1.amazonaws.com", "s3-outposts", "us-east-1"),
        ("ap-123456789012.s3-object-lambda.us-east-1.amazonaws.com", "s3-object-lambda", "us-east-1"),
        ("b--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com", "s3express", "us-west-2"),
        ("b--usw2-az1--x-s3.s3express-usw2-az1.dualstack.us-west-2.amazonaws.com", "s3express", "us-west-2"),
        ("s3express-control.us-west-2.amazonaws.com", "s3express", "us-west-2"),
        ("x1.mrap.accesspoint.s3-global.amazonaws.com", "s3", ANY),
        ("s3tables.us-west-2.amazonaws.com", "s3tables", "us-west-2"),
    ]);
}

#[test]
fn vpc_endpoints() {
    all(&[
        ("vpce-1a2b-3c4d.monitoring.us-east-1.vpce.amazonaws.com", "monitoring", "us-east-1"),
        ("bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com", "s3", "us-east-1"),
        ("photos.bucket.vpce-1a2b-3c4d-us-east-1a.s3.us-east-1.vpce.amazonaws.com", "s3", "us-east-1"),
        ("accesspoint.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com", "s3", "us-east-1"),
        ("vpce-1a2b-3c4d.api.ecr.us-east-1.vpce.amazonaws.com", "ecr", "us-east-1"),
        ("vpce-1a2b-3c4d.runtime.sagemaker.us-east-1.vpce.amazonaws.com", "sagemaker", "us-east-1"),
        ("vpce-1a2b-3c4d.execute-api.us-east-1.vpce.amazonaws.com", "execute-api", "us-east-1"),
        ("vpce-1a2b-3c4d.ec2.cn-north-1.vpce.amazonaws.com.cn", "ec2", "cn-north-1"),
    ]);
}

#[test]
fn names_without_a_region() {
    for service in
        ["ec2", "iam", "sts", "cloudfront", "route53", "organizations", "waf", "ce", "budgets", "monitoring", "sdb"]
    {
        all(&[(&format!("{service}.amazonaws.com"), service, "us-east-1")]);
    }
    all(&[
        ("importexport.amazonaws.com", "IngestionService", "us-east-1"),
        ("email.amazonaws.com", "ses", "us-east-1"),
        ("iam-fips.amazonaws.com", "iam", "us-east-1"),
        ("globalaccelerator.amazonaws.com", "globalaccelerator", "us-west-2"),
        ("globalaccelerator.us-west-2.amazonaws.com", "globalaccelerator", "us-west-2"),
        ("iam.us-gov.amazonaws.com", "iam", "us-gov-west-1"),
        ("route53.us-gov.amazonaws.com", "route53", "us-gov-west-1"),
        ("routes.geo.us-gov-east-1.us-gov.amazonaws.com/v2", "geo-routes", "us-gov-east-1"),
        ("iam.amazonaws.com.cn", "iam", "cn-north-1"),
        ("iam.cn-north-1.amazonaws.com.cn", "iam", "cn-north-1"),
        ("route53.amazonaws.com.cn", "route53", "cn-northwest-1"),
        ("budgets.amazonaws.com.cn", "budgets", "cn-northwest-1"),
        ("something.amazonaws.com.cn", "something", UNSAID),
        ("iam.global.api.aws", "iam", "us-east-1"),
        ("route53.global.api.amazonwebservices.com.cn", "route53", "cn-northwest-1"),
        ("global.health.amazonaws.com", "health", "us-east-1"),
        ("route53.amazonaws.eu", "route53", "eusc-de-east-1"),
        ("route53.c2s.ic.gov", "route53", "us-iso-east-1"),
        ("budgets.global.sc2s.sgov.gov", "budgets", "us-isob-east-1"),
    ]);
}

#[test]
fn the_common_pattern() {
    all(&[
        ("dynamodb.us-west-2.amazonaws.com", "dynamodb", "us-west-2"),
        ("kms-fips.us-east-1.amazonaws.com", "kms", "us-east-1"),
        ("ec2.dualstack.us-east-1.amazonaws.com", "ec2", "us-east-1"),
        ("ec2.us-east-1.api.aws", "ec2", "us-east-1"),
        ("ec2.cn-north-1.amazonaws.com.cn", "ec2", "cn-north-1"),
        ("ec2.cn-north-1.api.amazonwebservices.com.cn", "ec2", "cn-north-1"),
        ("x1y2.execute-api.us-east-1.amazonaws.com", "execute-api", "us-east-1"),
        ("x1y2.execute-api.cn-north-1.amazonaws.com.cn", "execute-api", "cn-north-1"),
        ("x1y2.execute-api-fips.us-gov-west-1.amazonaws.com", "execute-api", "us-gov-west-1"),
        ("compute-optimizer.us-east-1.amazonaws.com", "compute-optimizer", "us-east-1"),
        ("elasticloadbalancing.us-east-1.amazonaws.com", "elasticloadbalancing", "us-east-1"),
        ("us-west-2.queue.amazonaws.com", "sqs", "us-west-2"),
        ("lambda.ap-southeast-7.amazonaws.com", "lambda", "ap-southeast-7"),
        ("lambda.us-iso-east-1.c2s.ic.gov", "lambda", "us-iso-east-1"),
        ("lambda.us-isob-east-1.sc2s.sgov.gov", "lambda", "us-isob-east-1"),
        ("lambda.eu-isoe-west-1.cloud.adc-e.uk", "lambda", "eu-isoe-west-1"),
        ("lambda.us-isof-south-1.csp.hci.ic.gov", "lambda", "us-isof-south-1"),
        ("lambda.eusc-de-east-1.amazonaws.eu", "lambda", "eusc-de-east-1"),
    ]);
}

#[test]
fn services_that_sign_by_another_name() {
    all(&[
        ("email.eu-west-1.amazonaws.com", "ses", "eu-west-1"),
        ("api.ecr.eu-west-1.amazonaws.com", "ecr", "eu-west-1"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ecr", "eu-west-1"),
        ("api.ecr-public.us-east-1.amazonaws.com", "ecr-public", "us-east-1"),
        ("runtime.sagemaker.eu-west-1.amazonaws.com", "sagemaker", "eu-west-1"),
        ("api-fips.sagemaker.us-east-1.amazonaws.com", "sagemaker", "us-east-1"),
        ("bedrock.us-east-1.amazonaws.com", "bedrock", "us-east-1"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "bedrock", "us-east-1"),
        ("bedrock-runtime-fips.us-east-1.amazonaws.com", "bedrock", "us-east-1"),
        ("bedrock-agent-runtime.us-east-1.amazonaws.com", "bedrock", "us-east-1"),
        // These two are services beside Bedrock, with policies of their own.
        ("bedrock-mantle.us-east-1.api.aws", "bedrock-mantle", "us-east-1"),
        ("bedrock-agentcore-control.us-east-1.amazonaws.com", "bedrock-agentcore", "us-east-1"),
        ("x1.gateway.bedrock-agentcore.us-east-1.amazonaws.com", "bedrock-agentcore", "us-east-1"),
        ("runtime.lex.eu-west-1.amazonaws.com", "lex", "eu-west-1"),
        ("runtime-v2-lex.eu-west-1.amazonaws.com", "lex", "eu-west-1"),
        ("streams.dynamodb.eu-west-1.amazonaws.com", "dynamodb", "eu-west-1"),
        ("123456789012.ddb.eu-west-1.amazonaws.com", "dynamodb", "eu-west-1"),
        ("aps-workspaces.eu-west-1.amazonaws.com", "aps", "eu-west-1"),
        ("aps.eu-west-1.amazonaws.com", "aps", "eu-west-1"),
        ("queue.amazonaws.com", "sqs", "us-east-1"),
        ("metering.marketplace.us-east-1.amazonaws.com", "aws-marketplace", "us-east-1"),
        ("agreement-marketplace.us-east-1.amazonaws.com", "aws-marketplace", "us-east-1"),
        ("pinpoint.us-east-1.amazonaws.com", "mobiletargeting", "us-east-1"),
        ("sms-voice.pinpoint.us-east-1.amazonaws.com", "sms-voice", "us-east-1"),
        ("git-codecommit.us-east-1.amazonaws.com", "codecommit", "us-east-1"),
        ("participant.connect.us-east-1.amazonaws.com", "execute-api", "us-east-1"),
        ("stream-logs.us-east-1.amazonaws.com", "logs", "us-east-1"),
        ("x1.appsync-api.us-east-1.amazonaws.com", "appsync", "us-east-1"),
        ("x1.appsync-realtime-api.us-east-1.amazonaws.com", "appsync", "us-east-1"),
        ("streaming-rekognition.us-east-1.amazonaws.com", "rekognition", "us-east-1"),
        ("transcribestreaming.us-east-1.amazonaws.com", "transcribe", "us-east-1"),
    ]);
}

#[test]
fn the_path_decides_for_iot_and_location() {
    all(&[
        ("a1-ats.iot.us-east-1.amazonaws.com/mqtt", "iotdevicegateway", "us-east-1"),
        ("a1-ats.iot.us-east-1.amazonaws.com/mqtt/", "iotdevicegateway", "us-east-1"),
        ("a1-ats.iot.us-east-1.amazonaws.com/mqttx", "iotdata", "us-east-1"),
        ("a1-ats.iot.us-east-1.amazonaws.com/topics/t", "iotdata", "us-east-1"),
        ("data.iot.us-east-1.amazonaws.com", "iotdata", "us-east-1"),
        ("data-ats.iot.us-east-1.amazonaws.com", "iotdata", "us-east-1"),
        ("data.jobs.iot.us-east-1.amazonaws.com", "iot-jobs-data", "us-east-1"),
        ("a1.jobs.iot.us-east-1.amazonaws.com", "iot-jobs-data", "us-east-1"),
        ("api.tunneling.iot.us-east-1.amazonaws.com", "IoTSecuredTunneling", "us-east-1"),
        // What manages things signs as `iot`; the data of things does not.
        ("iot.us-east-1.amazonaws.com/things", "iot", "us-east-1"),
        ("iot-fips.us-east-1.amazonaws.com/things", "iot", "us-east-1"),
        ("maps.geo.us-east-1.amazonaws.com/v2/tiles", "geo-maps", "us-east-1"),
        ("maps.geo.us-east-1.amazonaws.com/maps/v0/maps", "geo", "us-east-1"),
        ("cp.maps.geo.us-east-1.amazonaws.com/maps/v0/maps", "geo", "us-east-1"),
    ]);
}

#[test]
fn other_houses_that_speak_s3() {
    all(&[
        ("0123abcd.r2.cloudflarestorage.com", "s3", "auto"),
        ("bucket.0123abcd.eu.r2.cloudflarestorage.com", "s3", "auto"),
        ("s3.us-west-004.backblazeb2.com", "s3", "us-west-004"),
        ("bucket.s3.eu-central-003.backblazeb2.com", "s3", "eu-central-003"),
    ]);
}

#[test]
fn lookalikes_and_strangers_are_unknown() {
    for host in [
        "s3.us-east-1.amazonaws.com.evil.com",
        "amazonaws.com.evil.com",
        "evilamazonaws.com",
        "s3.us-east-1.evilamazonaws.com",
        "s3.us-east-1.amazonaws.com.cn.evil.com",
        "s3.us-east-1.amazonaws.co",
        "s3.us-east-1.amazonaws.com-evil.com",
        "s3.us-east-1.amazonaws.com@evil.com",
        "evil.com/s3.us-east-1.amazonaws.com",
        "evil.com?s3.us-east-1.amazonaws.com",
        "evil.com:80:s3.us-east-1.amazonaws.com",
        "s3.us-east-1.amazonaws.com:443@evil.com",
        "s3.us-east-1.ämazonaws.com",
        "s3.us-east-1.amazonaws.com\0.evil.com",
        "fakeapi.aws",
        "notr2.cloudflarestorage.com",
        "example.com",
        "localhost",
        "127.0.0.1",
        "[::1]:443",
        "",
        ".",
        ":443",
        "amazonaws.com",
        ".amazonaws.com",
        "s3..amazonaws.com",
        "s3.us-east-1.amazonaws.com..",
        "lambda-url.us-east-1.example.aws",
    ] {
        assert_eq!(say(host, "/"), None, "{host}");
        assert!(!is_aws_host(host), "{host}");
    }
    assert_eq!(say(&format!("{}.s3.amazonaws.com", "a.".repeat(200)), "/"), None);
}

#[test]
fn what_customers_run_is_not_aws() {
    for host in [
        "lb-123.us-west-2.elb.amazonaws.com",
        "lb-123.elb.us-west-2.amazonaws.com",
        "dualstack.lb-123.us-west-2.elb.amazonaws.com",
        "ec2-1-2-3-4.compute-1.amazonaws.com",
        "ec2-1-2-3-4.us-west-2.compute.amazonaws.com",
        "ec2-1-2-3-4.compute.cn-north-1.amazonaws.com.cn",
        "vpce-1a.vpce-svc-2b.us-east-1.vpce.amazonaws.com",
        "abc.vfs.cloud9.us-west-2.amazonaws.com",
        "site.s3-website-us-east-1.amazonaws.com",
        "site.s3-website.eu-central-1.amazonaws.com",
        "anything.transfer-webapp.us-east-1.on.aws",
        "on.aws",
        "us-east-1.on.aws",
        "lambda-url.us-east-1.on.aws",
    ] {
        assert_eq!(say(host, "/"), None, "{host}");
        assert!(!is_aws_host(host), "{host}");
    }
}

#[test]
fn aws_hosts_need_not_be_known_to_be_aws() {
    assert!(is_aws_host("x.y.us-east-1.newservice.amazonaws.com"));
    assert_eq!(say("x.y.us-east-1.newservice.amazonaws.com", "/"), None);
}

#[test]
fn a_host_in_lower_case_is_borrowed() {
    let found = infer("photos.s3.eu-west-1.amazonaws.com", "/").unwrap();
    assert!(matches!(found.service, Cow::Borrowed(_)));
    assert!(matches!(found.region, InferredRegion::One(Cow::Borrowed(_))));
}

#[test]
fn the_alias_table_is_sorted_and_says_something() {
    assert!(ALIASES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    for (index, (suffix, _)) in DOMAINS.iter().enumerate() {
        let ends_another = |(other, (name, _)): (usize, &(&str, Domain))| {
            other != index && name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'))
        };
        assert!(!DOMAINS.iter().enumerate().any(ends_another), "{suffix}");
    }
}

proptest::proptest! {
    #[test]
    fn no_host_panics(host in ".{0,80}", path in ".{0,20}") {
        let _ = (infer(&host, &path), is_aws_host(&host));
    }

    #[test]
    fn no_host_made_of_our_words_panics_or_escapes(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "s3", "us-east-1", "vpce", "vpce-1", "vpce-svc-1", "amazonaws", "com", "cn", "api", "aws", "on", "global",
                "queue", "iot", "dualstack", "s3-", "s3express-", "-fips", "", "s3-global", "accesspoint", "us-gov", "evil",
            ]),
            0..8,
        ),
    ) {
        let host = words.join(".");
        let found = infer(&host, "/");
        if let Some(found) = &found {
            proptest::prop_assert!(!found.service.is_empty());
            let name = host.strip_suffix('.').unwrap_or(&host);
            let known = DOMAINS.iter().any(|(suffix, _)| name.ends_with(&format!(".{suffix}")));
            proptest::prop_assert!(known, "{} is inferred from no domain", host);
            proptest::prop_assert!(is_aws_host(&host), "{} is inferred, so it is AWS's", host);
        }
    }
}
