//! The tables.

#![allow(unreachable_pub, reason = "sea-orm's macros make public items of them")]

pub(super) mod counter {
    //! Numbers that only rise.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "counters")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub value: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod tenant {
    //! Tenants.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tenants")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub uid: Vec<u8>,
        pub name: String,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod api_key {
    //! API keys, by their hash.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "api_keys")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub uid: Vec<u8>,
        pub tenant: Vec<u8>,
        pub name: String,
        pub hash: Vec<u8>,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod rule {
    //! The last change of the rule for each binding: a feed of changes in which only the newest of a binding is kept.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "rules")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_kind: i16,
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub function: Vec<u8>,
        pub uid: Vec<u8>,
        pub ended: bool,
        pub revision: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod relation {
    //! Which relations need which rule. A revoked relation stays, so that it does not come back; one that was revoked
    //! before it was granted has no binding.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "rule_relations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub relation: Vec<u8>,
        pub tenant: Vec<u8>,
        pub subject_kind: Option<i16>,
        pub subject: Option<Vec<u8>>,
        pub function: Option<Vec<u8>>,
        pub revoked: bool,
        /// The rule that ended with this relation.
        pub ended_rule: Option<Vec<u8>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
