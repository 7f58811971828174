//! Compiles and runs every Rust sample of `README.md` and `docs/`, as documentation tests. Nothing else is in here.
//!
//! The samples use the gate and encryption, so that they are tested with all features on.

#[cfg(all(feature = "encryption", feature = "gate", feature = "metrics", feature = "serde"))]
macro_rules! pages {
    ($($name:ident: $path:literal,)+) => {
        $(#[doc = include_str!($path)] pub struct $name;)+
    };
}

#[cfg(all(feature = "encryption", feature = "gate", feature = "metrics", feature = "serde"))]
pages! {
    Readme: "../README.md",
    Errors: "../docs/errors.md",
    Recipes: "../docs/recipes.md",
    Listening: "../docs/listening.md",
    Logging: "../docs/logging.md",
    Metrics: "../docs/metrics.md",
    MigratingFromPython: "../docs/migrating-from-python.md",
    Testing: "../docs/testing.md",
}
