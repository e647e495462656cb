//! The names that follow no rule, as AWS's own service models state them.

/// Whose name it is that stands under a domain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// A partition of AWS, and the region where its region-less endpoints sign (`cn` has none in common).
    Aws { home: &'static str },
    /// Endpoints that AWS makes for resources of its customers.
    OnAws,
    /// Cloudflare R2, which speaks S3 with the region `auto`.
    R2,
    /// Backblaze B2, which speaks S3.
    Backblaze,
}

/// No domain here is the end of another, so their order does not matter.
pub(super) const DOMAINS: &[(&str, Domain)] = &[
    ("amazonaws.com", Domain::Aws { home: "us-east-1" }),
    ("api.aws", Domain::Aws { home: "us-east-1" }),
    ("on.aws", Domain::OnAws),
    ("amazonaws.com.cn", Domain::Aws { home: "cn" }),
    ("api.amazonwebservices.com.cn", Domain::Aws { home: "cn" }),
    ("amazonaws.eu", Domain::Aws { home: "eusc-de-east-1" }),
    ("api.amazonwebservices.eu", Domain::Aws { home: "eusc-de-east-1" }),
    ("c2s.ic.gov", Domain::Aws { home: "us-iso-east-1" }),
    ("api.aws.ic.gov", Domain::Aws { home: "us-iso-east-1" }),
    ("sc2s.sgov.gov", Domain::Aws { home: "us-isob-east-1" }),
    ("api.aws.scloud", Domain::Aws { home: "us-isob-east-1" }),
    ("cloud.adc-e.uk", Domain::Aws { home: "eu-isoe-west-1" }),
    ("api.cloud-aws.adc-e.uk", Domain::Aws { home: "eu-isoe-west-1" }),
    ("csp.hci.ic.gov", Domain::Aws { home: "us-isof-south-1" }),
    ("api.aws.hci.ic.gov", Domain::Aws { home: "us-isof-south-1" }),
    ("r2.cloudflarestorage.com", Domain::R2),
    ("backblazeb2.com", Domain::Backblaze),
];

/// Region-less endpoints that sign elsewhere than at their partition's home: (home, service, region).
pub(super) const DEFAULT_REGIONS: &[(&str, &str, &str)] = &[
    ("us-east-1", "globalaccelerator", "us-west-2"),
    ("cn", "iam", "cn-north-1"),
    ("cn", "budgets", "cn-northwest-1"),
    ("cn", "cloudfront", "cn-northwest-1"),
    ("cn", "route53", "cn-northwest-1"),
];

/// Services whose hosts have the region before the service: (label, signing name).
pub(super) const REGION_FIRST: &[(&str, &str)] = &[
    ("aoss", "aoss"),
    ("cloudsearch", "cloudsearch"),
    ("es", "es"),
    ("neptune", "neptune-db"),
    ("neptune-graph", "neptune-graph"),
    ("osis", "osis"),
    ("queue", "sqs"),
];

/// Signing names that the label before the service's decides: (first label, second label, signing name).
pub(super) const PAIRS: &[(&str, &str, &str)] = &[
    ("jobs", "iot", "iot-jobs-data"),
    ("maps", "geo", "geo-maps"),
    ("participant", "connect", "execute-api"),
    ("places", "geo", "geo-places"),
    ("portal", "sso", "awsssoportal"),
    ("routes", "geo", "geo-routes"),
    ("sms-voice", "pinpoint", "sms-voice"),
    ("tunneling", "iot", "IoTSecuredTunneling"),
];

/// Services whose label in the host is not their signing name, sorted by label.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("account-access-runtime", "account-access"),
    ("agent-registry-control", "agent-registry"),
    ("analytics-omics", "omics"),
    ("aos", "es"),
    ("appconfigdata", "appconfig"),
    ("appstream2", "appstream"),
    ("appsync-api", "appsync"),
    ("appsync-realtime-api", "appsync"),
    ("aps-workspaces", "aps"),
    ("arc-recovery-control-config", "route53-recovery-control-config"),
    ("bedrock-agentcore", "bedrock-agentcore"),
    ("bedrock-agentcore-control", "bedrock-agentcore"),
    ("cassandra-streams", "cassandra"),
    ("cloudhsmv2", "cloudhsm"),
    ("cloudsearchdomain", "cloudsearch"),
    ("cloudwatch-omni", "cloudwatch"),
    ("contact-lens", "connect"),
    ("control-kinesis", "kinesis"),
    ("control-storage-omics", "omics"),
    ("data-kinesis", "kinesis"),
    ("data-lakeformation", "lakeformation"),
    ("data-servicediscovery", "servicediscovery"),
    ("data-signer", "signer"),
    ("ddb", "dynamodb"),
    ("efs", "elasticfilesystem"),
    ("email", "ses"),
    ("eventsv2", "events"),
    ("forecastquery", "forecast"),
    ("git-codecommit", "codecommit"),
    ("iam-toolbox", "iam"),
    ("identity-chime", "chime"),
    ("importexport", "IngestionService"),
    ("iot-tunneling", "IoTSecuredTunneling"),
    ("ivsrealtime", "ivs"),
    ("kafka-api", "kafka"),
    ("mail-manager", "ses"),
    ("media-pipelines-chime", "chime"),
    ("meetings-chime", "chime"),
    ("memory-db", "memorydb"),
    ("messaging-chime", "chime"),
    ("migrationhub-config", "mgh"),
    ("models-v2-lex", "lex"),
    ("oidc", "sso-oauth"),
    ("partnercentral-prm", "partnercentral"),
    ("personalize-events", "personalize"),
    ("personalize-runtime", "personalize"),
    ("pinpoint", "mobiletargeting"),
    ("query-lakeformation", "lakeformation"),
    ("queue", "sqs"),
    ("runtime-medical-imaging", "medical-imaging"),
    ("runtime-v2-lex", "lex"),
    ("servicecatalog-appregistry", "servicecatalog"),
    ("storage-omics", "omics"),
    ("stream-logs", "logs"),
    ("streaming-logs", "logs"),
    ("streaming-rekognition", "rekognition"),
    ("streams-dynamodb", "dynamodb"),
    ("sync-states", "states"),
    ("tags-omics", "omics"),
    ("timestream-ingest", "timestream"),
    ("timestream-query", "timestream"),
    ("transcribestreaming", "transcribe"),
    ("voice-chime", "chime"),
    ("workflows-omics", "omics"),
];
