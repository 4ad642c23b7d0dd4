//! The notifications that a bucket can be asked for.

/// What is asked for when the settings name nothing.
pub(crate) const DEFAULT: &str = "s3:ObjectCreated:*";

/// What is listened to whatever is asked for: without these the inventory would not know what is in the bucket.
pub(crate) const ALWAYS: [&str; 2] = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"];

pub(crate) const PUT: &str = "s3:ObjectCreated:Put";
pub(crate) const MULTIPART: &str = "s3:ObjectCreated:CompleteMultipartUpload";
pub(crate) const DELETE: &str = "s3:ObjectRemoved:Delete";
pub(crate) const DELETE_MARKER: &str = "s3:ObjectRemoved:DeleteMarkerCreated";

/// Those that tell of new content; tagging and the like also go by the name of creation.
pub(crate) const WRITES: [&str; 4] =
    [PUT, MULTIPART, "s3:ObjectCreated:Copy", "s3:ObjectCreated:Post"];

/// Every name that may be asked for. A name that ends with `*` stands for all that begin like it.
pub(crate) const ALLOWED: [&str; 20] = [
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectCreated:PutTagging",
    "s3:ObjectCreated:DeleteTagging",
    "s3:ObjectCreated:PutRetention",
    "s3:ObjectCreated:PutLegalHold",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRemoved:DeleteAllVersions",
    "s3:ObjectRemoved:NoOP",
    "s3:ObjectAccessed:*",
    "s3:ObjectAccessed:Get",
    "s3:ObjectAccessed:Head",
    "s3:ObjectAccessed:Attributes",
    "s3:ObjectAccessed:GetRetention",
    "s3:ObjectAccessed:GetLegalHold",
];

/// Whether a notification of this name was asked for.
pub(crate) fn covers(asked: &[&str], name: &str) -> bool {
    asked.iter().any(|asked| match asked.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => *asked == name,
    })
}

/// The name under which a listed creation is told, if creations were asked for. How an object was written is not listed;
/// only the parts of a multipart upload leave a trace, in the eTag. A name that was not asked for is not used.
pub(crate) fn name_of_listed(asked: &[&str], etag: &str) -> Option<&'static str> {
    let likely = if etag.contains('-') { MULTIPART } else { PUT };
    [likely].into_iter().chain(WRITES).find(|name| covers(asked, name))
}

#[cfg(test)]
mod tests {
    use super::{covers, name_of_listed};

    #[test]
    fn a_listed_creation_goes_by_a_name_that_was_asked_for() {
        let all = ["s3:ObjectCreated:*"];
        assert_eq!(name_of_listed(&all, "9dd4"), Some("s3:ObjectCreated:Put"));
        let multipart = Some("s3:ObjectCreated:CompleteMultipartUpload");
        assert_eq!(name_of_listed(&all, "9dd4-2"), multipart);
        let copies = ["s3:ObjectCreated:Copy", "s3:ObjectAccessed:*"];
        assert_eq!(name_of_listed(&copies, "9dd4-2"), Some("s3:ObjectCreated:Copy"));
        assert_eq!(name_of_listed(&["s3:ObjectCreated:PutTagging"], "9dd4"), None);
        assert!(
            covers(&copies, "s3:ObjectAccessed:Get") && !covers(&copies, "s3:ObjectCreated:Put")
        );
    }
}
