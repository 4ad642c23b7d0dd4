//! Everything that a system has written or answers.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use tripline_e2e::Api;

use super::needles::Place;
use super::world::{World, redis};

const JSON: &str = "application/json";
/// The one file that holds a secret as it is.
const MASTER_KEY_FILE: &str = "master.key";
/// Lists, and the field that an item is read by.
const LISTS: [(&str, &str); 6] = [
    ("/v1/buses", "name"),
    ("/v1/functions", "name"),
    ("/v1/sources", "name"),
    ("/v1/triggers", "name"),
    ("/v1/invocations", "id"),
    ("/v1/dead-letters", "id"),
];

pub(super) async fn gather(world: &World) -> anyhow::Result<Vec<Place>> {
    let mut places = Vec::new();
    answers(&world.api(), &mut places).await?;
    for member in &world.members {
        let name = member.name;
        for path in ["metrics", "readyz", "livez", "version"] {
            let answer = Api::new(&member.admin, "").text(&format!("/{path}")).await?;
            places.push(Place::new(format!("/{path} of {name}"), answer));
        }
        for command in ["print-config", "check-config"] {
            if let Some(said) = member.command(command).await? {
                places.push(Place::new(format!("{command} of {name}"), said));
            }
        }
        let log = member.process.stdout() + &member.process.stderr();
        places.push(Place::new(format!("log of {name}"), log));
    }
    if world.data().exists() {
        files("file ", &world.data(), &mut places)?;
    }
    for (service, url) in &world.databases {
        tables(service, url, &mut places).await?;
    }
    if let Some(cache) = &world.cache {
        let keys = redis(cache, &["KEYS", "*"]).await?;
        places.push(Place::new("keys of Redis", keys.clone()));
        for key in String::from_utf8_lossy(&keys).lines() {
            places.push(Place::new(format!("Redis at {key}"), redis(cache, &["GET", key]).await?));
        }
        files("RabbitMQ's file ", &broker_dir().await?, &mut places)?;
    }
    Ok(places)
}

/// Whatever can be read over the API.
async fn answers(api: &Api, places: &mut Vec<Place>) -> anyhow::Result<()> {
    let mut get = async |path: String| {
        let (status, answer) = api.get(&path).await?;
        anyhow::ensure!(status == 200, "GET {path}: {status} {answer}");
        places.push(Place::new(format!("GET {path}"), answer.to_string()));
        anyhow::Ok(answer)
    };
    for (list, field) in LISTS {
        let answer = get(format!("{list}?limit=500")).await?;
        for item in answer["items"].as_array().context("a list has items")? {
            let path = format!("{list}/{}", item[field].as_str().context("an item has a name")?);
            get(path.clone()).await?;
            if list == "/v1/sources" {
                get(format!("{path}/status")).await?;
            }
        }
    }
    get("/v1/stats".to_owned()).await?;
    get("/v1/buses/default/events?source=/kanarie&id=ok-1".to_owned()).await?;
    for action in ["get", "list"] {
        let asked = match action {
            "get" => json!({"action": action, "name": super::PAIR}),
            _ => json!({"action": action}),
        };
        let (_, answer) = post(api, "/v1/minio-triggers", &asked).await?;
        places.push(Place::new(format!("GET /v1/minio-triggers, {action}"), answer.to_string()));
    }
    Ok(())
}

pub(super) async fn post(
    api: &Api,
    path: &str,
    body: &Value,
) -> anyhow::Result<tripline_e2e::Answer> {
    api.send(Method::POST, path, (JSON, body.to_string())).await
}

fn files(prefix: &str, dir: &Path, places: &mut Vec<Place>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            files(prefix, &path, places)?;
        } else if path.is_file() && name != MASTER_KEY_FILE {
            // One that a server has taken away since holds nothing any more.
            places.extend(
                std::fs::read(&path).ok().map(|it| Place::new(prefix.to_owned() + &name, it)),
            );
        }
    }
    Ok(())
}

/// Every row of a service's database.
async fn tables(service: &str, url: &str, places: &mut Vec<Place>) -> anyhow::Result<()> {
    let (mariadb, url) = (tripline_testkit::mariadb().await, url.parse::<url::Url>()?);
    let database = url.path().trim_start_matches('/');
    let names = "SELECT table_name FROM information_schema.tables WHERE table_schema";
    for table in mariadb.execute(&format!("{names} = '{database}'")).await?.lines() {
        let rows = mariadb.execute(&format!("SELECT * FROM `{database}`.`{table}`")).await?;
        places.push(Place::new(format!("database of {service}, {table}"), rows));
    }
    Ok(())
}

/// Where the shared broker keeps its streams, queues and settings.
async fn broker_dir() -> anyhow::Result<PathBuf> {
    let pid = tripline_testkit::rabbitmq().await.pid()?;
    let environment = std::fs::read(format!("/proc/{pid}/environ"))?;
    let environment = String::from_utf8_lossy(&environment);
    let found = environment.split('\0').find_map(|set| set.strip_prefix("RABBITMQ_MNESIA_BASE="));
    Ok(found.context("the broker is told where its data is")?.into())
}
