//! Locks between writers, and systems that refuse: full disks, limits, read-only folders. Parts of it run in a process
//! of their own, which is this program again.
#![cfg(target_os = "linux")]

mod common;

use common::hostile;
use common::image::{self, Head, Image};
use common::{
    coding, content, create, detail, errno, listing, memory_folder, names, new_rows, open, push,
    verified,
};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tinyquant_codec::{CodecConfig, Control, ErrorCode};
use tinyquant_corpus::CompressionPolicy;
use tinyquant_store::{CorpusFile, CorpusWriter, Error, Link, Probe, append, save};

const ROLE: &str = "TINYQUANT_TEST_ROLE";
const PLACE: &str = "PLACE";

/// The command that runs `child` below in another process, behind a line of shell.
fn in_child(shell: &str, role: &str, place: &Path) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!("{shell} exec \"$0\" \"$@\""));
    command
        .arg(program)
        .args(["--exact", "child", "--nocapture"]);
    command.env(ROLE, role).env(PLACE, place);
    command
}

/// Says something to the process that started this one, past the test harness.
fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "CHILD {line}").unwrap();
    out.flush().unwrap();
}

/// Saves and appends a corpus of 60,000 vectors, for which there is no room.
fn save_too_much(path: &Path, expected: &str) {
    let mut corpus = open(path);
    let link = Link::opened(path, &CorpusFile::open(path, true).unwrap()).unwrap();
    let (ids, lengths) = (names(0..60_000), vec![common::DIMENSION as u32; 60_000]);
    let values = common::values(1, 60_000);
    let rows = tinyquant_corpus::Rows::new(&ids, &values, &lengths).unwrap();
    corpus
        .insert_batch(
            &rows,
            &[None::<String>; 0],
            tinyquant_corpus::Timestamp::default(),
            None,
        )
        .unwrap();
    let control = Control::default();
    let saved = save(&corpus, path, &control, Probe::default());
    assert_eq!(errno(saved), expected);
    let appended = append(&corpus, &link, path, &control, Probe::default());
    assert_eq!(errno(appended), expected);
}

/// Not a test: what the tests below run in a process of its own.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let place = std::env::var_os(PLACE).unwrap();
    let folder = Path::new(&place);
    let path = folder.join("c.tq");
    let create = |name: &str| {
        let coding = coding(CompressionPolicy::Passthrough, false);
        CorpusWriter::create(
            &folder.join(name),
            "c",
            coding,
            None,
            true,
            Probe::default(),
        )
    };
    let extend = || CorpusWriter::append(&path, Probe::default());
    let writers: [&dyn Fn() -> Result<CorpusWriter, Error>; 3] =
        [&|| create("c.tq"), &|| create("new.tq"), &extend];
    match &*role {
        "holds a writer" => {
            let writer = create("c.tq").unwrap();
            say("ready");
            std::thread::sleep(std::time::Duration::from_secs(60));
            drop(writer);
        }
        "holds an appender" => {
            let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
            push(&mut writer, 0..20_000, Some(&names(0..20_000))).unwrap();
            say("ready");
            std::thread::sleep(std::time::Duration::from_secs(60));
            drop(writer);
        }
        // Each of these writes 4 MB where 1 MB fits.
        "fills the disk" | "meets a limit" => {
            let before = fs::read(&path).unwrap();
            let rows = |mut writer: CorpusWriter| {
                for from in (0..100_000).step_by(20_000) {
                    push(
                        &mut writer,
                        from..from + 20_000,
                        Some(&names(from..from + 20_000)),
                    )?;
                }
                writer.finish().map(drop)
            };
            let expected = if role == "meets a limit" {
                "EFBIG"
            } else {
                "ENOSPC"
            };
            for begin in writers {
                let writer = begin().unwrap();
                let target = writer.path().to_owned();
                let error = rows(writer).unwrap_err();
                assert_eq!(detail(&error, "path"), target.to_string_lossy(), "{error}");
                assert_eq!(errno::<()>(Err(error)), expected);
                assert_eq!(listing(folder), ["c.tq"]);
                assert!(fs::read(&path).unwrap() == before);
            }
            save_too_much(&path, expected);
            assert!(fs::read(&path).unwrap() == before);
            // Less fits.
            let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
            push(&mut writer, 0..10, Some(&names(0..10))).unwrap();
            writer.finish().unwrap();
            assert_eq!(verified(&path, true).len(), 20);
        }
        "may not write" => {
            let before = fs::read(&path).unwrap();
            let expected = fs::read_to_string(folder.join("expected")).unwrap();
            for begin in writers {
                let error = begin().unwrap_err();
                let named = detail(&error, "path");
                assert!(Path::new(&named).starts_with(folder), "{error}");
                assert_eq!(errno::<()>(Err(error)), expected);
            }
            assert!(fs::read(&path).unwrap() == before);
            assert_eq!(verified(&path, true).len(), 10);
        }
        "replaces what it may not write" => {
            let mut writer = create("c.tq").unwrap();
            push(&mut writer, 0..20, None).unwrap();
            writer.finish().unwrap();
            assert_eq!(verified(&path, true).len(), 20);
        }
        other => panic!("{other}"),
    }
    say("done");
}

/// Runs a role to its end, or says that the shell cannot do here what the role needs.
fn run(shell: &str, role: &str, place: &Path) -> String {
    let output = in_child(shell, role, place).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("CANNOT") {
        return format!("SKIPPED {role}: {errors}");
    }
    assert!(
        output.status.success() && said.contains("CHILD done"),
        "{said}{errors}"
    );
    format!("{role}: done")
}

/// Shell that goes on in a name space where the mounts that it makes stay.
fn unshared(mounts: &str) -> String {
    format!(
        "unshare -rm true || {{ echo CANNOT >&2; exit 1; }}; \
         exec unshare -rm bash -c '{mounts} || {{ echo CANNOT >&2; exit 1; }}; exec \"$0\" \"$@\"' \"$0\" \"$@\";"
    )
}

fn make_file(folder: &Path) {
    let mut writer = create(
        &folder.join("c.tq"),
        coding(CompressionPolicy::Passthrough, false),
    );
    push(&mut writer, 0..10, None).unwrap();
    writer.finish().unwrap();
}

fn is_locked<T>(result: Result<T, Error>, path: &Path) {
    let error = result.err().expect("locked");
    assert_eq!(
        (error.code(), &*detail(&error, "kind")),
        (ErrorCode::Io, "Locked")
    );
    assert_eq!(detail(&error, "path"), path.to_string_lossy());
}

#[test]
fn one_writer_at_a_time() {
    let folder = memory_folder();
    let folder = folder.path().canonicalize().unwrap();
    let path = folder.join("c.tq");
    let coding = coding(CompressionPolicy::Passthrough, false);
    let begin = || CorpusWriter::create(&path, "c", coding.clone(), None, true, Probe::default());
    let extend = || CorpusWriter::append(&path, Probe::default());
    let control = Control::default();
    // Before there is a file.
    let first = begin().unwrap();
    is_locked(begin(), &path);
    assert_eq!(listing(&folder), [".c.tq.partial"]);
    first.finish().unwrap();
    for _ in 0..2 {
        let file = CorpusFile::open(&path, true).unwrap();
        let link = Link::opened(&path, &file).unwrap();
        let corpus = file.into_corpus();
        for writer in [&begin as &dyn Fn() -> Result<CorpusWriter, Error>, &extend] {
            let held = writer().unwrap();
            is_locked(begin(), &path);
            is_locked(extend(), &path);
            is_locked(save(&corpus, &path, &control, Probe::default()), &path);
            is_locked(
                append(&corpus, &link, &path, &control, Probe::default()),
                &path,
            );
            // Readers are not kept out.
            verified(&path, true);
            drop(held);
        }
        let mut writer = extend().unwrap();
        push(&mut writer, 0..3, Some(&names(0..3))).unwrap();
        writer.finish().unwrap();
        begin().unwrap().finish().unwrap();
    }
    assert_eq!(listing(&folder), ["c.tq"]);
}

/// Starts a process that holds a writer.
fn holder(role: &str, folder: &Path) -> Child {
    let mut child = in_child("", role, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let ready = out
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("CHILD ready"));
    assert!(ready);
    child
}

#[test]
fn a_lock_ends_with_its_process() {
    let folder = memory_folder();
    let folder = folder.path().canonicalize().unwrap();
    make_file(&folder);
    let path = folder.join("c.tq");
    let before = verified(&path, true);
    for (role, left) in [
        ("holds a writer", vec![".c.tq.partial", "c.tq"]),
        ("holds an appender", vec!["c.tq"]),
    ] {
        let mut child = holder(role, &folder);
        let coding = coding(CompressionPolicy::Passthrough, false);
        is_locked(CorpusWriter::append(&path, Probe::default()), &path);
        is_locked(
            CorpusWriter::create(&path, "c", coding, None, true, Probe::default()),
            &path,
        );
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(listing(&folder), left);
        assert_eq!(verified(&path, true), before);
        let corpus = open(&path);
        save(&corpus, &path, &Control::default(), Probe::default()).unwrap();
        assert_eq!(listing(&folder), ["c.tq"]);
        assert_eq!(verified(&path, true), before);
        assert_eq!(content(&corpus), before);
    }
}

#[test]
fn a_full_disk_leaves_the_old_content() {
    let folder = memory_folder();
    make_file(folder.path());
    eprintln!(
        "{}",
        run(
            "trap '' XFSZ; ulimit -f 1000;",
            "meets a limit",
            folder.path(),
        )
    );
    let folder = memory_folder();
    let shell =
        unshared("mount -t tmpfs -o size=1m none \"$PLACE\" && cp \"$PLACE.tq\" \"$PLACE/c.tq\"");
    make_file(folder.path());
    let copy = folder.path().with_extension("tq");
    fs::copy(folder.path().join("c.tq"), &copy).unwrap();
    eprintln!("{}", run(&shell, "fills the disk", folder.path()));
    fs::remove_file(copy).unwrap();
}

#[test]
fn a_folder_that_is_read_only_is_told() {
    let folder = memory_folder();
    make_file(folder.path());
    fs::write(folder.path().join("expected"), "EROFS").unwrap();
    let shell =
        unshared("mount --bind \"$PLACE\" \"$PLACE\" && mount -o remount,bind,ro \"$PLACE\"");
    eprintln!("{}", run(&shell, "may not write", folder.path()));
    fs::write(folder.path().join("expected"), "EACCES").unwrap();
    let allow =
        |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    let file = folder.path().join("c.tq");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    allow(0o555);
    let shell = without_rights();
    eprintln!("{}", run(&shell, "may not write", folder.path()));
    // A file that may not be written can be replaced, where its folder allows it.
    allow(0o777);
    let role = "replaces what it may not write";
    eprintln!("{}", run(&shell, role, folder.path()));
}

/// Shell in which permissions count: root, who may write anywhere, becomes someone else.
fn without_rights() -> String {
    let other = "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all";
    format!(
        "if [ $(id -u) = 0 ]; then {other} true || {{ echo CANNOT >&2; exit 1; }}; exec {other} \"$0\" \"$@\"; fi;"
    )
}

/// A file of so many rows of one byte each, which takes no room on the disk.
fn huge_file(path: &Path, rows: u64) {
    let config = CodecConfig::new(8, 7, 1, false).unwrap();
    let head = Head {
        dimension: 1,
        bit_width: 8,
        residual: 0,
        hash: config.config_hash().to_owned(),
        ..hostile::head()
    };
    let entries: Vec<f32> = (0..256_u16).map(f32::from).collect();
    let mut image = Image::new(rows);
    image.add(image::HEAD, 0, 0, &head.bytes());
    image.add(image::CODEBOOK, 0, 0, &image::codebook(&entries));
    let codes = image.add(image::CODES, 0, rows, &[]);
    codes.len = Some(rows);
    let table_at = (codes.offset + rows).next_multiple_of(64);
    let bytes = image.bytes();
    // The table goes behind the rows.
    let table = &bytes[bytes.len() - 3 * image::ENTRY..];
    let mut block = bytes[..64].to_vec();
    block[32..40].copy_from_slice(&table_at.to_le_bytes());
    block[56..64].copy_from_slice(&(table_at + table.len() as u64).to_le_bytes());
    block.extend(crc32fast::hash(&block).to_le_bytes());
    let file = fs::File::create(path).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
    file.write_all_at(&block, 0).unwrap();
    file.write_all_at(table, table_at).unwrap();
}

#[test]
fn a_file_takes_no_more_rows_than_32_bits_count() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let most = u64::from(u32::MAX) - 1;
    let add = |writer: &mut CorpusWriter, rows: usize| {
        let rows = new_rows(&[0.5, 0.5][..rows], None, &[], 0);
        writer.push(&rows, None, &Control::default())
    };
    let refused = |result: Result<(), Error>| {
        assert_eq!(result.unwrap_err().code(), ErrorCode::Limit);
    };
    huge_file(&path, most - 1);
    let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
    refused(add(&mut writer, 2));
    add(&mut writer, 1).unwrap();
    refused(add(&mut writer, 1));
    assert_eq!(writer.finish().unwrap().vectors, most);
    let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
    refused(add(&mut writer, 1));
    add(&mut writer, 0).unwrap();
    assert_eq!(writer.finish().unwrap().vectors, most);
    let corpus = open(&path);
    assert!(corpus.contains(&(most - 1).to_string()).unwrap());
    assert!(!corpus.contains(&most.to_string()).unwrap());
}
