//! The decision on ten thousands of repositories, and the drivers against interfaces that answer as told.

mod decision;
mod property;
