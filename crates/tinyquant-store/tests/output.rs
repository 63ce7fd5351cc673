//! Files as the system sees them: names, links, permissions, and reading no further than they go.
#![cfg(unix)]

mod common;

use common::{
    coding, content, create, errno, listing, make_file, memory_folder, open, push, verified,
};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_corpus::CompressionPolicy;
use tinyquant_store::{
    CorpusFile, CorpusWriter, Error, Link, Output, Probe, Source, Step, append, save,
};

fn begin(path: &Path, overwrite: bool) -> Result<Output, Error> {
    Output::create(path, overwrite, Probe::default())
}

fn write(path: &Path, overwrite: bool, bytes: &[u8]) -> Result<u64, Error> {
    let mut output = begin(path, overwrite)?;
    output.write(bytes)?;
    output.commit()
}

#[test]
fn large_and_small_pieces_stand_in_order() {
    let folder = memory_folder();
    let path = folder.path().join("a");
    let sizes = [1, 200_000, 300_000, 262_144, 262_143, 1, 1, 600_000, 0, 5];
    let mut output = begin(&path, false).unwrap();
    let mut expected = Vec::new();
    for (value, size) in sizes.into_iter().enumerate() {
        let piece = vec![value as u8 + 1; size];
        output.write(&piece).unwrap();
        expected.extend(piece);
        assert_eq!(output.position(), expected.len() as u64);
        // Reading back writes what waits; now and then something still waits when the next piece comes.
        if value % 3 == 0 {
            let mut back = vec![0; size.min(10)];
            let from = expected.len() - back.len();
            output.read_back(from as u64, &mut back).unwrap();
            assert_eq!(back, expected[from..]);
        }
        output.align(64).unwrap();
        expected.resize(expected.len().next_multiple_of(64), 0);
    }
    output.patch(3, b"xyz").unwrap();
    expected[3..6].copy_from_slice(b"xyz");
    assert_eq!(output.commit().unwrap(), expected.len() as u64);
    assert!(fs::read(&path).unwrap() == expected);
}

#[test]
fn names_that_cannot_be_written_say_why() {
    let folder = memory_folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), b"old").unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink(at("folder"), at("link")).unwrap();
    symlink(at("loop"), at("loop")).unwrap();
    let made = Command::new("mkfifo").arg(at("pipe")).status();
    assert!(made.unwrap().success());
    let long = "x".repeat(300);
    for (path, overwrite, expected) in [
        (at("file"), false, "EEXIST"),
        (at("folder"), true, "EISDIR"),
        (at("folder"), false, "EISDIR"),
        (at("link"), true, "EISDIR"),
        (at("."), true, "EISDIR"),
        (at("folder/.."), true, "EISDIR"),
        ("/".into(), true, "EISDIR"),
        ("".into(), true, "EINVAL"),
        (at("none/.."), true, "EINVAL"),
        (at("none/c.tq"), true, "ENOENT"),
        (at("file/c.tq"), true, "ENOTDIR"),
        (at(&long), true, "ENAMETOOLONG"),
        (at(&long).join("c.tq"), true, "ENAMETOOLONG"),
        (at("pipe"), true, "EINVAL"),
        (at("pipe"), false, "EINVAL"),
        (at("loop"), false, "EEXIST"),
    ] {
        assert_eq!(
            errno(begin(&path, overwrite)),
            expected,
            "{}",
            path.display()
        );
        let coding = coding(CompressionPolicy::Compress, false);
        let writer = CorpusWriter::create(&path, "c", coding, None, overwrite, Probe::default());
        assert_eq!(errno(writer), expected, "{}", path.display());
    }
    for (path, expected) in [
        (at("folder"), "EISDIR"),
        (at("link"), "EISDIR"),
        (at("none"), "ENOENT"),
        (at("file/c.tq"), "ENOTDIR"),
        (at("loop"), "ELOOP"),
        (at("pipe"), "EINVAL"),
        (at(&long), "ENAMETOOLONG"),
        ("".into(), "ENOENT"),
    ] {
        for is_mapped in [true, false] {
            let opened = CorpusFile::open(&path, is_mapped);
            assert_eq!(errno(opened), expected, "{}", path.display());
        }
    }
    for (path, expected) in [
        (at("folder"), "EISDIR"),
        (at("none"), "ENOENT"),
        (at("pipe"), "EINVAL"),
    ] {
        let writer = CorpusWriter::append(&path, Probe::default());
        assert_eq!(errno(writer), expected, "{}", path.display());
    }
    assert_eq!(fs::read(at("file")).unwrap(), b"old");
    assert_eq!(
        listing(folder.path()),
        ["file", "folder", "link", "loop", "pipe"]
    );
}

#[test]
fn a_file_that_appears_meanwhile_is_not_replaced() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let mut output = begin(&path, false).unwrap();
    output.write(b"new").unwrap();
    fs::write(&path, b"other").unwrap();
    assert_eq!(errno(output.commit()), "EEXIST");
    assert_eq!(fs::read(&path).unwrap(), b"other");
    assert_eq!(listing(folder.path()), ["c.tq"]);
}

/// What may not even be opened for writing is not replaced either.
#[cfg(target_os = "linux")]
#[test]
fn a_program_that_runs_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sleep");
    fs::copy("/bin/sleep", &path).unwrap();
    // Until it runs, a program that another test starts meanwhile holds the copy open.
    let mut child = loop {
        match Command::new(&path).arg("60").spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
            child => break child.unwrap(),
        }
    };
    let refused = errno(begin(&path, true));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(refused, "ETXTBSY");
    assert_eq!(listing(folder.path()), ["sleep"]);
}

#[test]
fn a_link_stays_and_what_it_points_at_is_replaced() {
    let folder = memory_folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("real")).unwrap();
    fs::write(at("real/c.tq"), b"old").unwrap();
    symlink("real/c.tq", at("link")).unwrap();
    assert_eq!(errno(begin(&at("link"), false)), "EEXIST");
    write(&at("link"), true, b"new").unwrap();
    assert!(at("link").symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read(at("real/c.tq")).unwrap(), b"new");
    assert_eq!(listing(folder.path()), ["link", "real"]);
    assert_eq!(listing(&at("real")), ["c.tq"]);
    // A link to nothing is itself replaced.
    symlink("nowhere", at("dangling")).unwrap();
    assert_eq!(errno(begin(&at("dangling"), false)), "EEXIST");
    write(&at("dangling"), true, b"new").unwrap();
    assert!(at("dangling").symlink_metadata().unwrap().is_file());
    // Another name of the same file keeps the old content.
    fs::hard_link(at("real/c.tq"), at("other")).unwrap();
    write(&at("link"), true, b"newer").unwrap();
    assert_eq!(fs::read(at("other")).unwrap(), b"new");
}

#[test]
fn a_replaced_file_keeps_its_permissions() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let partial = folder.path().join(".c.tq.partial");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    for bits in [0o600, 0o640, 0o666, 0o444, 0o400] {
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
        let mut output = begin(&path, true).unwrap();
        // Nobody reads the new file meanwhile who may not read the old one, and its next writer can take it over.
        assert_eq!(mode(&partial), bits | 0o600);
        output.write(b"new").unwrap();
        output.commit().unwrap();
        assert_eq!(
            (mode(&path), fs::read(&path).unwrap()),
            (bits, b"new".to_vec())
        );
        fs::remove_file(&path).unwrap();
    }
}

/// Whatever the path was called when a corpus was saved or opened, it is linked to the file.
#[test]
fn a_file_has_one_identity_under_all_its_names() {
    let folder = memory_folder();
    let real = folder.path().join("real");
    fs::create_dir(&real).unwrap();
    symlink("real", folder.path().join("alias")).unwrap();
    let here = std::env::current_dir().unwrap();
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    let relative = up.join(real.strip_prefix("/").unwrap()).join("c.tq");
    let control = Control::default();
    let names = [
        relative,
        real.join("c.tq"),
        folder.path().join("alias/c.tq"),
        real.join("../alias/./c.tq"),
    ];
    make_file(&real.join("seed"), 3);
    for saved_as in &names {
        let mut corpus = open(&real.join("seed"));
        let mut link = save(&corpus, saved_as, &control, Probe::default()).unwrap();
        for (row, appended_as) in names.iter().enumerate() {
            assert!(corpus.remove(&row.to_string()).unwrap() == (row < 3));
            link = append(&corpus, &link, appended_as, &control, Probe::default()).unwrap();
            assert_eq!(verified(appended_as, false), content(&corpus));
            let file = CorpusFile::open(saved_as, true).unwrap();
            let opened = Link::opened(saved_as, &file).unwrap();
            let corpus = file.into_corpus();
            append(&corpus, &opened, appended_as, &control, Probe::default()).unwrap();
        }
        let elsewhere = append(
            &corpus,
            &link,
            &real.join("seed"),
            &control,
            Probe::default(),
        );
        assert_eq!(elsewhere.unwrap_err().code(), ErrorCode::InvalidArg);
        fs::remove_file(saved_as).unwrap();
    }
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let mut writer = create(&path, coding(CompressionPolicy::Compress, false));
    push(&mut writer, 0..10, None).unwrap();
    assert_eq!(listing(folder.path()), [".c.tq.partial"]);
    drop(writer);
    assert!(listing(folder.path()).is_empty());
    // Also one that failed at its last step but one.
    let mut output = Output::create(&path, true, Probe::default()).unwrap();
    output.write(b"new").unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(errno(output.commit()), "EISDIR");
    assert_eq!(listing(folder.path()), ["c.tq"]);
    fs::remove_dir(&path).unwrap();

    make_file(&path, 5);
    let before = fs::read(&path).unwrap();
    let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
    push(&mut writer, 5..20_000, Some(&common::names(5..20_000))).unwrap();
    push(&mut writer, 20_000..100_000, None).unwrap();
    assert!(path.metadata().unwrap().len() > before.len() as u64);
    drop(writer);
    assert!(fs::read(&path).unwrap() == before);
    assert_eq!(listing(folder.path()), ["c.tq"]);
}

/// The order that a crash depends on: the bytes are on the disk before the name or the commit record points at them.
#[test]
fn steps_come_in_order() {
    use std::sync::{Arc, Mutex};
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let steps = Arc::new(Mutex::new(Vec::new()));
    let probe = || {
        let steps = Arc::clone(&steps);
        Probe::new(move |step| {
            steps.lock().unwrap().push(step);
            None
        })
    };
    let coding = coding(CompressionPolicy::Compress, false);
    let mut writer = CorpusWriter::create(&path, "c", coding, None, false, probe()).unwrap();
    push(&mut writer, 0..10, None).unwrap();
    writer.finish().unwrap();
    let of_create = std::mem::take(&mut *steps.lock().unwrap());
    let [
        Step::Write(_),
        Step::Sync,
        Step::Write(_),
        Step::Sync,
        Step::Rename,
        Step::SyncFolder,
    ] = *of_create
    else {
        panic!("{of_create:?}");
    };
    let mut writer = CorpusWriter::append(&path, probe()).unwrap();
    push(&mut writer, 10..20, None).unwrap();
    writer.finish().unwrap();
    let of_append = std::mem::take(&mut *steps.lock().unwrap());
    let [Step::Write(_), Step::Sync, Step::Write(_), Step::Sync] = *of_append else {
        panic!("{of_append:?}");
    };
    assert_eq!(format!("{:?}", probe()), "Probe");
}

proptest! {
    #[test]
    fn no_source_reads_beyond_its_end(
        len in 0_usize..300,
        offset in prop_oneof![0_u64..400, any::<u64>(), (u64::MAX - 300)..=u64::MAX],
        count in prop_oneof![0_u64..400, any::<u64>(), (u64::MAX - 300)..=u64::MAX],
    ) {
        let folder = memory_folder();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
        fs::write(&path, &bytes).unwrap();
        let expected = usize::try_from(offset).ok().zip(offset.checked_add(count))
            .and_then(|(from, end)| bytes.get(from..usize::try_from(end).ok()?));
        let sources = [
            Source::open(&path, true).unwrap(),
            Source::open(&path, false).unwrap(),
            Source::from_bytes(bytes.clone()),
        ];
        for source in sources {
            prop_assert_eq!(source.len(), len as u64);
            prop_assert_eq!(source.is_empty(), len == 0);
            match (source.read(offset, count), expected) {
                (Ok(found), Some(expected)) => prop_assert_eq!(&*found, expected),
                (Err(error), None) => prop_assert_eq!(error.code(), ErrorCode::Truncated),
                (found, expected) => prop_assert!(false, "{found:?} {expected:?}"),
            }
        }
    }
}
