//! distribution in a container, through testcontainers.

use std::{collections::HashMap, path::Path, time::Duration};

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
    image::{Image, PORT},
    storage::Storage,
};
use crate::harness::{
    error::HarnessError,
    owner::{LABEL, Owner},
    token::Auth,
};

/// Where the storage's folder is in the container.
const FOLDER: &str = "/tallyman";
/// How long it may take to start.
const START_MAX: Duration = Duration::from_secs(30);

/// A running registry.
pub(super) struct Container {
    /// Where it listens.
    pub(super) host: String,
    /// None only while it is dropped.
    running: Option<ContainerAsync<GenericImage>>,
    /// In which the container is removed.
    runtime: Handle,
}

impl Container {
    /// Starts a registry on a storage and waits until it listens.
    pub(super) async fn start(storage: &Storage, auth: Option<&Auth>) -> Result<Self, HarnessError> {
        let docker = engine::connect().await?;
        let image = Image::provide(&docker).await?;
        let config = config::write(storage, Path::new(FOLDER), &format!("0.0.0.0:{PORT}"), auth)?;
        let request = GenericImage::new(image.name, image.tag)
            .with_exposed_port(PORT.tcp())
            .with_wait_for(WaitFor::message_on_stderr(LISTENING))
            .with_cmd([format!("{FOLDER}/{config}")])
            .with_mount(Mount::bind_mount(storage.folder().display().to_string(), FOLDER))
            .with_label(LABEL, Owner::this()?.to_string())
            .with_user(user(&docker).await?)
            .with_startup_timeout(START_MAX)
            .with_host_config_modifier(only_on_loopback);
        let request =
            config::RUNTIME.into_iter().fold(request, |request, (name, value)| request.with_env_var(name, value));
        let container = request.start().await.map_err(HarnessError::engine("start a registry"))?;
        let port = container.get_host_port_ipv4(PORT.tcp()).await;
        let port = port.map_err(HarnessError::engine("tell a container's port"))?;
        let host = format!("127.0.0.1:{port}");
        Ok(Self { host, running: Some(container), runtime: Handle::current() })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // A container can only be removed from within a runtime.
        let _entered = self.runtime.enter();
        drop(self.running.take());
    }
}

/// Makes it reachable from this machine alone.
fn only_on_loopback(config: &mut HostConfig) {
    let loopback = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(String::new()) };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some(HashMap::from([(format!("{PORT}/tcp"), Some(vec![loopback]))]));
}

/// The user in the container who owns files of this user: root if this user runs the engine.
async fn user(docker: &Docker) -> Result<&'static str, HarnessError> {
    static USER: OnceCell<String> = OnceCell::const_new();
    let ask = || async {
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Ok(if engine::is_this_users(docker).await? { "0:0".to_owned() } else { format!("{user}:{group}") })
    };
    USER.get_or_try_init(ask).await.map(String::as_str)
}
