//! What `hotline init` writes.
