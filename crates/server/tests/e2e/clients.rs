//! Programs that others write against the API's document: the client for TypeScript, and the rules that the document
//! keeps.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{Folder, arg, describe};

/// The package and the document that it is made from, in a folder of the test's own: `npm` writes into it.
fn package(folder: &Folder) -> PathBuf {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    let copy =
        "tar -cf - --exclude node_modules --exclude dist clients/typescript docs/openapi.json | tar -C \"$1\" -xf -";
    let to = folder.path("checkout");
    std::fs::create_dir(&to).unwrap();
    run(Command::new("sh").args(["-c", copy, "sh", arg(&to)]).current_dir(root));
    let package = to.join("clients/typescript");
    npm(&package, &["ci", "--no-audit", "--no-fund"]);
    package
}

fn npm(package: &Path, arguments: &[&str]) {
    run(Command::new("npm").args(arguments).current_dir(package));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", describe(&output));
}

#[tokio::test]
async fn the_client_for_typescript_has_the_documents_types_and_works() {
    let (folder, key) = Folder::initialised();
    let package = package(&folder);
    npm(&package, &["run", "lint"]);

    let types = package.join("src/schema.ts");
    let committed = std::fs::read_to_string(&types).unwrap();
    npm(&package, &["run", "generate"]);
    let generated = std::fs::read_to_string(&types).unwrap();
    assert!(generated == committed, "the types are not the document's: npm run generate in clients/typescript");

    let server = folder.serve();
    let mut tests = Command::new("npm");
    tests.arg("test").current_dir(&package);
    run(tests.env("LEADSCORE_URL", &server.address).env("LEADSCORE_TOKEN", &key));
}
