//! The program `publisher`; everything is in the library.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    publisher::cli::main().await
}
