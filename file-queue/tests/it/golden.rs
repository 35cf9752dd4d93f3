//! Format version 1, byte by byte. The files in `golden/v1` are never changed; a new version gets
//! a folder of its own.

use std::path::{Path, PathBuf};

use tillway_file_queue::Attributes;
use tillway_file_queue::format::{self, BatchHeader, Header, MessageHeader};

use crate::kit::{Kit, bodies};

const BODIES: [&str; 2] = ["{\"addItems\":[]}\n", "цены\0\n"];
const BATCH: &str = "0000000000000042-2-630-0";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

pub(crate) fn message_header(index: u32) -> MessageHeader {
    MessageHeader {
        id: format!("0199f0c0-a1b2-7c3d-8e4f-5a6b7c8d9e0{index}").parse().unwrap(),
        batch: "0199f0c0-a1b2-7c3d-8e4f-5a6b7c8d9eff".parse().unwrap(),
        index,
        created: "2026-03-01T08:30:00.25Z".parse().unwrap(),
        content_type: "application/vnd.tillway.chunk".to_owned(),
        attributes: Attributes::from([("kind".to_owned(), "item".to_owned())]),
    }
}

fn file<H: Header>(header: &H, body: &str) -> Vec<u8> {
    let sealed = format::seal(header, body.as_bytes()).unwrap();
    [sealed.head.as_slice(), body.as_bytes(), &sealed.seal].concat()
}

#[test]
fn files_of_version_1_are_written_as_ever() {
    let messages = [0, 1].map(|index| file(&message_header(u32::try_from(index).unwrap()), BODIES[index]));
    let batch = BatchHeader {
        id: message_header(0).batch,
        created: "2026-03-01T08:30:00Z".parse().unwrap(),
        messages: 2,
        bytes: messages.iter().map(|file| file.len() as u64).sum(),
        content_type: "application/vnd.tillway.chunk".to_owned(),
        attributes: Attributes::from([("package".to_owned(), "b3-1234".to_owned())]),
    };
    let folder = golden().join("ready").join(BATCH);
    let files =
        [("00000000.msg", messages[0].clone()), ("00000001.msg", messages[1].clone()), ("batch", file(&batch, ""))];
    for (name, bytes) in files {
        assert_eq!(fs_err::read(folder.join(name)).unwrap(), bytes, "{name}");
    }
}

#[test]
fn queue_of_version_1_is_read() {
    let kit = Kit::new();
    let ready = kit.folder().join("ready");
    fs_err::create_dir_all(ready.join(BATCH)).unwrap();
    for file in ["format", "sequence"] {
        fs_err::copy(golden().join(file), kit.folder().join(file)).unwrap();
    }
    for file in crate::kit::paths_in(&golden().join("ready").join(BATCH)) {
        fs_err::copy(&file, ready.join(BATCH).join(file.file_name().unwrap())).unwrap();
    }
    let queue = kit.queue();
    let claim = queue.next().unwrap().unwrap();
    assert_eq!((claim.sequence().0, claim.id()), (42, message_header(0).batch));
    assert_eq!(claim.attributes()["package"], "b3-1234");
    assert_eq!(bodies(&claim), BODIES);
    assert_eq!(claim.messages().next().unwrap().unwrap().header, message_header(0));
    claim.ack().unwrap();
    assert_eq!(crate::kit::put(&queue, &["next"]).0, 43);
    for file in ["format", "sequence"] {
        let (golden, now) =
            (fs_err::read(golden().join(file)).unwrap(), fs_err::read(kit.folder().join(file)).unwrap());
        assert_eq!(golden == now, file == "format", "{file}");
    }
}
