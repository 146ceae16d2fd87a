//! Where a running switch is to be found, from a `hotline.yaml` that may be faulty by now: an operator must be able to
//! ask and stop a switch whatever somebody has just written into its file.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What a file says of the API. Everything else in it, and every fault, is passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub http: Option<SocketAddr>,
    pub state_dir: Option<PathBuf>,
    pub admin_token_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
struct Lenient {
    state_dir: Option<String>,
    listen: Option<LenientListen>,
    auth: Option<LenientAuth>,
}

#[derive(Deserialize)]
struct LenientListen {
    http: Option<String>,
}

#[derive(Deserialize)]
struct LenientAuth {
    admin_token_file: Option<String>,
}

impl Reach {
    pub fn of(file: &Path) -> Reach {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let lenient: Lenient = serde_saphyr::from_str(&text).unwrap_or_default();
        let folder = file.parent().unwrap_or(Path::new("."));
        let http = lenient.listen.and_then(|listen| listen.http).and_then(|http| http.parse().ok());
        let admin_token_file = lenient.auth.and_then(|auth| auth.admin_token_file).map(|path| folder.join(path));
        Reach { http, state_dir: lenient.state_dir.map(|path| folder.join(path)), admin_token_file }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_found_although_its_file_has_become_faulty() {
        let file = std::env::temp_dir().join(format!("hotline-reach-{}.yaml", std::process::id()));
        std::fs::write(&file, "version: 9\nlisten: {http: 127.0.0.1:8090, htp: 1}\nstate_dir: /var/x\nqeues: []\n")
            .unwrap();
        let reach = Reach::of(&file);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(reach.http, Some("127.0.0.1:8090".parse().unwrap()));
        assert_eq!(reach.state_dir, Some(PathBuf::from("/var/x")));
        assert_eq!(Reach::of(Path::new("not-there.yaml")), Reach::default());
    }
}
