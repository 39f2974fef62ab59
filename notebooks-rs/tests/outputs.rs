//! The outputs in the notebooks are what their cells print today.

use std::process::Command;

#[test]
fn every_notebook_runs_and_its_outputs_hold() {
    let output = Command::new(env!("CARGO_BIN_EXE_pathscope-notebooks"))
        .arg("--check")
        .output()
        .unwrap();
    let fault = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{fault}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(told.matches("outputs hold").count(), 3, "{told}");
}
