//! The demo: from nothing to a served brokerage, and on again after any stop.

use serde_json::Value;

use crate::support::{Folder, Server, eventually};

const SIZE: [&str; 4] = ["--leads", "1200", "--days", "300"];

fn demo(folder: &Folder) -> Server {
    let mut command = folder.command(&[&["demo", "--listen", "127.0.0.1:0", "--json"][..], &SIZE].concat());
    command.env("LEADSCORE_DEMO__EVENTS_PER_SECOND", "200");
    Server::start(command)
}

#[tokio::test]
async fn a_demo_serves_scores_goes_on_living_and_goes_on_after_a_kill() {
    let folder = Folder::new();
    let server = demo(&folder);
    let key = server.started["api_key"].as_str().unwrap().to_owned();
    run_curl_lines(&server.started);
    let (first, _) = events_and_leads(&folder);
    eventually("live events arrive", async || events_and_leads(&folder).0 > first).await;
    let model = folder.json(&["models", "list"])["models"].clone();
    assert_eq!(model[0]["champion"], true, "{model}");
    server.kill();

    let (before, leads) = events_and_leads(&folder);
    let server = demo(&folder);
    assert_eq!(server.started["api_key"], *key, "the same log-in works on");
    let (again, leads_again) = events_and_leads(&folder);
    assert!(again >= before && leads_again >= leads, "nothing is lost");
    assert_eq!(folder.json(&["models", "list"])["models"], model, "it is not trained again");
    eventually("live events go on", async || events_and_leads(&folder).0 > again).await;
    assert!(server.terminate().success());
    let doctor = folder.json(&["doctor", "--deep"]);
    assert_eq!(doctor["wrong"], 0, "{doctor}");
}

/// The lines that the demo prints work as they stand, in a shell.
fn run_curl_lines(started: &Value) {
    for line in started["curl"].as_array().unwrap() {
        let output = std::process::Command::new("sh").arg("-c").arg(line.as_str().unwrap()).output().unwrap();
        let answer: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{line}: {e}: {output:?}"));
        assert!(answer.get("code").is_none() && answer.is_object(), "{line}: {answer}");
    }
}

fn events_and_leads(folder: &Folder) -> (usize, usize) {
    (folder.export("events").len(), folder.export("leads").len())
}

#[test]
fn a_demo_does_not_touch_a_folder_of_somebodys_own() {
    let (folder, _) = Folder::initialised();
    let output = folder.run(&["demo", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--data"));
}
