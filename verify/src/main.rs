//! The program `verify`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    verify::cli::main().await.into()
}
