//! A real S3 server: rclone's, built once from its Go module into the cache directory.

use std::{
    collections::hash_map::DefaultHasher,
    fs::{self, File},
    hash::{Hash, Hasher},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use object_store::aws::{AmazonS3, AmazonS3Builder};

use super::packages::cache;

pub const BUCKET: &str = "ticks";
pub const KEY: &str = "key-of-tests";
pub const SECRET: &str = "secret-of-tests";
/// Below the server's folder: its buckets, and what it says.
const ROOT: &str = "buckets";
const LOG: &str = "log";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server with one bucket.
pub struct S3 {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl S3 {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(ROOT).join(BUCKET)).unwrap();
        // Free until somebody else takes it in this moment.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let log = File::create(folder.path().join(LOG)).unwrap();
        let process = Command::new(program())
            .args(["serve", "s3", "--config", "/dev/null", "--addr", &format!("127.0.0.1:{port}")])
            .args(["--auth-key", &format!("{KEY},{SECRET}")])
            .arg(folder.path().join(ROOT))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self { process, port, folder };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(server.process.try_wait().unwrap().is_none(), "the S3 server has ended");
            assert!(Instant::now() < end, "the S3 server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A client with the right keys.
    pub fn client(&self) -> AmazonS3 {
        // Who comes second finds it set.
        let _ = rustls::crypto::ring::default_provider().install_default();
        AmazonS3Builder::new()
            .with_endpoint(self.endpoint())
            .with_allow_http(true)
            .with_bucket_name(BUCKET)
            .with_access_key_id(KEY)
            .with_secret_access_key(SECRET)
            .build()
            .unwrap()
    }

    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("the S3 server says: {}", fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default());
        }
    }
}

fn program() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/s3");
    let mut hasher = DefaultHasher::new();
    ["main.go", "go.mod", "go.sum"].map(|name| fs::read(source.join(name)).unwrap()).hash(&mut hasher);
    let cache = cache().join("s3");
    fs::create_dir_all(&cache).unwrap();
    let program = cache.join(format!("{:016x}", hasher.finish()));
    // Tests run at the same time.
    let lock = File::create(cache.join("lock")).unwrap();
    lock.lock().unwrap();
    if !program.exists() {
        let unfinished = cache.join("unfinished");
        let built = Command::new("go")
            .args(["build", "-buildvcs=false", "-trimpath", "-o"])
            .arg(&unfinished)
            .arg(".")
            .current_dir(source)
            .env("GOWORK", "off")
            .env("CGO_ENABLED", "0")
            .output()
            .unwrap_or_else(|error| panic!("is Go installed? {error}"));
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        fs::rename(unfinished, &program).unwrap();
    }
    program
}
