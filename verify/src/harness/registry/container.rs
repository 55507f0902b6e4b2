//! The real registry in a container, through testcontainers.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use tempfile::TempDir;
use testcontainers::{
    ContainerAsync, GenericImage, ImageExt as _,
    bollard::{
        Docker,
        models::{HostConfig, PortBinding},
    },
    core::{IntoContainerPort as _, Mount, WaitFor},
    runners::AsyncRunner as _,
};
use tokio::{runtime::Handle, sync::OnceCell};

use super::{
    config::{self, LISTENING},
    engine,
    filesystem::Storage,
    image::{Image, PORT},
};
use crate::harness::{
    contents::Contents,
    error::HarnessError,
    sweep::{self, LABEL, Owner},
    token::Auth,
};

/// Where the registry's folder is in its container.
const FOLDER: &str = "/tallyman";
/// How long it may take to start.
const START_MAX: Duration = Duration::from_secs(30);

/// A running registry.
pub(super) struct Distribution {
    host: String,
    /// None only while it is dropped.
    container: Option<ContainerAsync<GenericImage>>,
    /// In which the container is removed.
    runtime: Handle,
    /// Removed after the container that uses it.
    folder: TempDir,
}

impl Distribution {
    /// Starts the registry and waits until it listens.
    pub(super) async fn start(auth: Option<&Auth>) -> Result<Self, HarnessError> {
        let docker = engine::connect().await?;
        let image = Image::provide(&docker).await?;
        let folder = sweep::folder()?;
        config::write(folder.path(), Path::new(FOLDER), &format!("0.0.0.0:{PORT}"), auth)?;
        let container = GenericImage::new(image.name, image.tag)
            .with_exposed_port(PORT.tcp())
            .with_wait_for(WaitFor::message_on_stderr(LISTENING))
            .with_cmd([format!("{FOLDER}/{}", config::FILE)])
            .with_mount(Mount::bind_mount(folder.path().display().to_string(), FOLDER))
            .with_label(LABEL, Owner::this()?.to_string())
            .with_user(user(&docker).await?)
            .with_startup_timeout(START_MAX)
            .with_host_config_modifier(only_on_loopback)
            .start()
            .await
            .map_err(HarnessError::engine("start a registry"))?;
        let port = container.get_host_port_ipv4(PORT.tcp()).await;
        let port = port.map_err(HarnessError::engine("tell a container's port"))?;
        let host = format!("127.0.0.1:{port}");
        Ok(Self { host, container: Some(container), runtime: Handle::current(), folder })
    }

    /// Where it listens.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// What it holds.
    pub(super) fn contents(&self) -> Arc<dyn Contents> {
        Arc::new(Storage::new(self.folder.path()))
    }
}

impl Drop for Distribution {
    fn drop(&mut self) {
        // A container can only be removed from within a runtime.
        let _entered = self.runtime.enter();
        drop(self.container.take());
    }
}

/// Nobody but this machine reaches it.
fn only_on_loopback(config: &mut HostConfig) {
    let loopback = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(String::new()) };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some(HashMap::from([(format!("{PORT}/tcp"), Some(vec![loopback]))]));
}

/// Whoever is this user outside of the container, so that the registry's files are ours: root, where the engine is ours.
async fn user(docker: &Docker) -> Result<&'static str, HarnessError> {
    static USER: OnceCell<String> = OnceCell::const_new();
    let ask = || async {
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Ok(if engine::is_this_users(docker).await? { "0:0".to_owned() } else { format!("{user}:{group}") })
    };
    USER.get_or_try_init(ask).await.map(String::as_str)
}
