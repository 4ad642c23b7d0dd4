//! The tables as sea-orm sees them. They never leave `store`.

/// Who holds which unit of work, under which epoch, until when. A replica's own presence is a unit too.
pub(super) mod lease {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "leases")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: i16,
        #[sea_orm(primary_key, auto_increment = false)]
        pub uid: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub partition: i32,
        pub holder: Vec<u8>,
        pub epoch: i64,
        pub lease_until: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How far a partition has been routed.
pub(super) mod checkpoint {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "checkpoints")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub bus: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub partition: i32,
        pub epoch: i64,
        pub next_offset: i64,
        pub dedupe_start: i64,
        pub definitions: String,
        pub accepted: i64,
        pub deduplicated: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The buses last heard of from the registry.
pub(super) mod bus {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "buses")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub uid: Vec<u8>,
        pub name: String,
        pub revision: i64,
        pub partitions: i32,
        pub retention_seconds: i64,
        pub dedupe_window_seconds: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What each source is doing.
pub(super) mod source_status {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "source_status")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub source: Vec<u8>,
        pub epoch: i64,
        pub state: i16,
        pub reason: String,
        pub since: i64,
        pub events: i64,
        pub last_event_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What each source remembers.
pub(super) mod source_memory {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "source_memory")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub source: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub memory_key: Vec<u8>,
        pub value: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What each source knows of its origin.
pub(super) mod source_inventory {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "source_inventory")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub source: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub entry_key: Vec<u8>,
        pub value: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
