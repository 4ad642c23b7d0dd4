//! What an operator can set.

use secrecy::{ExposeSecret as _, SecretString};
use tripline_kernel::Fault;
use tripline_signing::ApiKey;

use crate::Error;

/// How auth runs.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where everything is kept.
    pub db: tripline_db::Options,
    /// The API key named `admin` of the default tenant: 16 to 256 printable ASCII characters. It replaces the one
    /// before it. When left out, whatever key is in force stays.
    #[serde(serialize_with = "tripline_kernel::masked_option")]
    #[schemars(with = "Option<String>")]
    pub admin_api_key: Option<SecretString>,
}

impl Options {
    /// Every fault of these options, with pointers into them.
    #[must_use]
    pub fn validate(&self) -> Vec<Fault> {
        let mut faults: Vec<_> =
            self.db.validate().into_iter().map(|fault| fault.under("/db")).collect();
        if let Err(error) = self.admin_key() {
            faults.push(Fault::new("/admin_api_key", "bad-api-key", error.to_string()));
        }
        faults
    }

    pub(crate) fn admin_key(&self) -> Result<Option<ApiKey>, Error> {
        let parse = |key: &SecretString| key.expose_secret().parse();
        self.admin_api_key.as_ref().map(parse).transpose().map_err(Error::AdminKey)
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn every_fault_is_named_at_once_without_the_key() {
        let options = Options { admin_api_key: Some("hunter2".into()), ..Options::default() };
        let faults = options.validate();
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/db/url", "/admin_api_key"]);
        assert!(!format!("{faults:?}{options:?}").contains("hunter2"));
    }
}
