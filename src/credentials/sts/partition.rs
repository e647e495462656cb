//! AWS's partitions: groups of regions that share their domains.
//!
//! The facts are those of `partitions.json`, which AWS's SDKs share.

/// What the hosts of a partition have in common.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) name: &'static str,
    /// What the names of its regions begin with, as in `eu-west-1` or `us-gov-west-1`.
    prefixes: &'static [&'static str],
    /// The name that stands for all regions, as in `aws-global`, where there is one.
    global: Option<&'static str>,
    /// The region in which requests to the whole partition are signed.
    pub(super) home: &'static str,
    pub(super) suffix: &'static str,
    /// The domain of hosts that have IPv6 addresses too.
    pub(super) dual_stack_suffix: &'static str,
}

const AWS: Partition = Partition {
    name: "aws",
    prefixes: &["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"],
    global: Some("aws-global"),
    home: "us-east-1",
    suffix: "amazonaws.com",
    dual_stack_suffix: "api.aws",
};

static PARTITIONS: [Partition; 8] = [
    AWS,
    Partition {
        name: "aws-cn",
        prefixes: &["cn"],
        global: Some("aws-cn-global"),
        home: "cn-northwest-1",
        suffix: "amazonaws.com.cn",
        dual_stack_suffix: "api.amazonwebservices.com.cn",
    },
    Partition {
        name: "aws-eusc",
        prefixes: &["eusc-de"],
        global: None,
        home: "eusc-de-east-1",
        suffix: "amazonaws.eu",
        dual_stack_suffix: "api.amazonwebservices.eu",
    },
    Partition {
        name: "aws-iso",
        prefixes: &["us-iso"],
        global: Some("aws-iso-global"),
        home: "us-iso-east-1",
        suffix: "c2s.ic.gov",
        dual_stack_suffix: "api.aws.ic.gov",
    },
    Partition {
        name: "aws-iso-b",
        prefixes: &["us-isob"],
        global: Some("aws-iso-b-global"),
        home: "us-isob-east-1",
        suffix: "sc2s.sgov.gov",
        dual_stack_suffix: "api.aws.scloud",
    },
    Partition {
        name: "aws-iso-e",
        prefixes: &["eu-isoe"],
        global: Some("aws-iso-e-global"),
        home: "eu-isoe-west-1",
        suffix: "cloud.adc-e.uk",
        dual_stack_suffix: "api.cloud-aws.adc-e.uk",
    },
    Partition {
        name: "aws-iso-f",
        prefixes: &["us-isof"],
        global: Some("aws-iso-f-global"),
        home: "us-isof-south-1",
        suffix: "csp.hci.ic.gov",
        dual_stack_suffix: "api.aws.hci.ic.gov",
    },
    Partition {
        name: "aws-us-gov",
        prefixes: &["us-gov"],
        global: Some("aws-us-gov-global"),
        home: "us-gov-west-1",
        suffix: "amazonaws.com",
        dual_stack_suffix: "api.aws",
    },
];

impl Partition {
    /// The partition of a region. One that looks like none is taken for one of the largest, as AWS's SDKs do.
    pub(super) fn of(region: &str) -> &'static Self {
        let prefix = prefix(region);
        let mut partitions = PARTITIONS.iter();
        let found = partitions.find(|one| one.is_global(region) || prefix.is_some_and(|p| one.prefixes.contains(&p)));
        found.unwrap_or(&PARTITIONS[0])
    }

    /// Whether this is the name for the whole of the partition.
    pub(super) fn is_global(&self, region: &str) -> bool {
        self.global == Some(region)
    }
}

/// `us-gov` of `us-gov-west-1`: what stands before a word and a number.
fn prefix(region: &str) -> Option<&str> {
    let (rest, number) = region.rsplit_once('-')?;
    let (prefix, word) = rest.rsplit_once('-')?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let letters = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (digits && letters).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_known_by_their_form() {
        for (region, name) in [
            ("eu-central-1", "aws"),
            ("mx-somewhere-12", "aws"),
            ("aws-global", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-east-1", "aws-us-gov"),
            ("us-iso-west-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eusc-de-east-1", "aws-eusc"),
            ("aws-cn-global", "aws-cn"),
            ("somewhere", "aws"),
            ("us-iso-1", "aws"),
            ("us-east-x", "aws"),
            ("", "aws"),
        ] {
            assert_eq!(Partition::of(region).name, name, "{region}");
        }
    }
}
