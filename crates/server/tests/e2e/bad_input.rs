//! What a person gets who mistypes: one line, exit code 2, nothing changed.

use std::process::Output;

use serde_json::Value;

use crate::support::{Folder, arg, describe};

/// Exit code 2, one line on standard error that names each of `words`, nothing on standard output.
fn refused(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{}", describe(output));
    assert_eq!(stderr.trim_end().lines().count(), 1, "not one line: {}", describe(output));
    assert!(output.stdout.is_empty(), "{}", describe(output));
    for word in words {
        assert!(stderr.contains(word), "`{word}` is not named: {}", describe(output));
    }
}

#[test]
fn command_lines_that_make_no_sense() {
    let folder = Folder::new();
    refused(&folder.run(&["sing"]), &["sing"]);
    refused(&folder.run(&["serve", "--listen", "everywhere"]), &["everywhere"]);
    refused(&folder.run(&["import", "leads"]), &["<FILE>"]);
    refused(&folder.run(&["simulate", "--out", "x", "--leads", "0"]), &["--leads"]);
    refused(&folder.run(&["train", "-q", "-v"]), &["--quiet"]);
    refused(&folder.run(&["evaluate", "--split", "thirds"]), &["thirds"]);
}

#[test]
fn a_folder_that_was_never_made() {
    let folder = Folder::new();
    let events = folder.write("events.jsonl", "");
    for command in [&["serve"][..], &["train"], &["score", "anna"], &["models", "list"], &["export", "leads"]] {
        refused(&folder.run(command), &["leadscore init"]);
    }
    refused(&folder.run(&["import", "events", arg(&events)]), &["leadscore init"]);
    assert!(!folder.data().exists(), "a refused command must not make the folder");
}

#[test]
fn a_configuration_with_a_typing_error() {
    let (folder, _) = Folder::initialised();
    let output = folder.command(&["models", "list"]).env("LEADSCORE_TRAINING__SEEED", "1").output().unwrap();
    refused(&output, &["seeed"]);
    std::fs::write(folder.data().join("config.toml"), "[server]\nlissten = \"127.0.0.1:1\"\n").unwrap();
    refused(&folder.run(&["models", "list"]), &["config.toml", "lissten"]);
    let doctor = folder.run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(1), "{}", describe(&doctor));
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("lissten"), "{}", describe(&doctor));
}

#[test]
fn a_master_key_that_is_none_or_another() {
    let folder = Folder::new();
    let [key, other, none] = [("key", "1f".repeat(32)), ("other", "2e".repeat(32)), ("none", "1f".repeat(31))]
        .map(|(name, text)| folder.write(name, &text));
    let command = |words: &[&str], key: &std::path::Path| {
        folder.command(words).env("LEADSCORE_STORE__MASTER_KEY_FILE", key).output().unwrap()
    };
    refused(&command(&["init"], &none), &["store.master_key_file", "64 hexadecimal digits"]);
    refused(&command(&["init"], &folder.path("absent")), &["store.master_key_file", "absent"]);
    let made = command(&["init"], &key);
    assert!(made.status.success() && String::from_utf8_lossy(&made.stdout).contains(arg(&key)), "{}", describe(&made));
    assert!(!folder.data().join("master.key").exists(), "the key must not lie beside the data");
    assert!(command(&["doctor"], &key).status.success());
    for wrong in [command(&["models", "list"], &other), folder.run(&["models", "list"])] {
        assert!(!wrong.status.success(), "{}", describe(&wrong));
        assert!(String::from_utf8_lossy(&wrong.stderr).contains("master key"), "{}", describe(&wrong));
    }
    refused(&command(&["keys", "rotate-master"], &key), &["--new-key-file"]);
    refused(&command(&["keys", "rotate-master", "--new-key-file", arg(&none)], &key), &["--new-key-file", "none"]);
    assert!(command(&["keys", "rotate-master", "--new-key-file", arg(&other)], &key).status.success());
    assert!(!command(&["models", "list"], &key).status.success(), "the old key is over");
    assert!(command(&["doctor"], &other).status.success());
}

#[test]
fn an_identity_provider_that_cannot_be() {
    let (folder, _) = Folder::initialised();
    let provider = "[[access.providers]]\nissuer = \"https://id.example.com\"\naudience = \"leads\"\n";
    let with = |line: &str| {
        std::fs::write(folder.data().join("config.toml"), format!("{provider}{line}\n")).unwrap();
        folder.run(&["serve", "--listen", "127.0.0.1:0"])
    };
    refused(&with(""), &["config.toml", "access.providers[0].jwks_url", "https://"]);
    refused(&with("jwks_url = \"http://id.example.com/keys\""), &["access.providers[0].jwks_url", "https://"]);
    let keys = "jwks_url = \"https://id.example.com/keys\"";
    refused(&with(&format!("{keys}\nalgorithms = [\"HS256\"]")), &["access.providers[0].algorithms", "HS256"]);
    // Files are read when the port is open already.
    let missing = with(&format!("{keys}\nca_file = \"/nowhere/ca.pem\""));
    assert_eq!(missing.status.code(), Some(2), "{}", describe(&missing));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("access.providers[0].ca_file"), "{}", describe(&missing));
}

#[test]
fn files_mappings_models_and_leads_that_are_not_there() {
    let (folder, _) = Folder::initialised();
    refused(&folder.run(&["import", "inspect", "absent.csv"]), &["absent.csv"]);
    refused(&folder.run(&["import", "events", "absent.jsonl"]), &["absent.jsonl"]);
    let leads = folder.write("leads.csv", "id,email\n1,ann@example.com\n");
    refused(&folder.run(&["import", "leads", arg(&leads), "--mapping", "absent.toml"]), &["absent.toml"]);
    let mapping = folder.write("bad.toml", "kind = \"leads\"\nsauce = \"crm\"\n");
    refused(&folder.run(&["import", "leads", arg(&leads), "--mapping", arg(&mapping)]), &["bad.toml", "sauce"]);
    refused(&folder.run(&["models", "promote", "v7"]), &["v7"]);
    refused(&folder.run(&["models", "show", "v7"]), &["v7"]);
    refused(&folder.run(&["models", "rollback"]), &["champion"]);
    refused(&folder.run(&["score", "nobody@example.com"]), &["nobody@example.com"]);
    refused(&folder.run(&["init"]), &["already"]);
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    let (folder, _) = Folder::initialised();
    for (command, code) in [(&["models", "promote", "v7", "--json"][..], 2), (&["sing", "--json"], 2)] {
        let output = folder.run(command);
        assert_eq!(output.status.code(), Some(code), "{}", describe(&output));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["error"]["kind"], "bad_input", "{document}");
        assert!(document["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{document}");
    }
}

#[test]
fn a_truncated_gzip_says_how_far_it_was_read() {
    let (folder, _) = Folder::initialised();
    let simulated = folder.path("files");
    folder.json(&["simulate", "--out", arg(&simulated), "--leads", "20", "--days", "60"]);
    let whole =
        std::process::Command::new("gzip").arg("-c").arg(simulated.join("events.jsonl")).output().unwrap().stdout;
    let file = folder.write("events.jsonl.gz", &whole[..whole.len() / 2]);
    refused(&folder.run(&["import", "events", arg(&file)]), &["events.jsonl.gz", "breaks off after row"]);
    let file = folder.write("events.jsonl.gz", whole);
    let summary = folder.json(&["import", "events", arg(&file)]);
    assert!(summary["imported"].as_u64().unwrap() > 0, "{summary}");
}

#[test]
fn a_benchmark_of_no_server_or_without_a_key() {
    let (folder, key) = Folder::initialised();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = format!("http://{free}");
    refused(&folder.run(&["bench", "scores", "--target", &absent]), &["LEADSCORE_TOKEN"]);
    refused(&folder.run(&["bench", "scores", "--target", &absent, "--token", &key]), &[&free.to_string(), "--target"]);
    refused(&folder.run(&["bench", "batch", "--target", "https://a", "--token", &key]), &["http"]);
    refused(&folder.run(&["bench", "events", "--rate", "fast"]), &["--rate"]);
    refused(&folder.run(&["bench", "events", "--duration", "30"]), &["--duration"]);
    let server = folder.serve();
    let output = folder.run(&["bench", "events", "--target", &server.address, "--token", "lsk_wrong"]);
    refused(&output, &["token", "leadscore init"]);
    assert!(folder.export("leads").is_empty(), "a refused benchmark must not make leads");
}
