//! Where a running switch is to be found, from a `hotline.yaml` that may be faulty by now: an operator must be able to
//! ask and stop a switch whatever somebody has just written into its file.

use crate::source::diag::Diags;
use crate::source::text::{Files, Sources};
use crate::source::yaml;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What a file says of the API. Everything else in it, and every fault, is passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub http: Option<SocketAddr>,
    pub state_dir: Option<PathBuf>,
    pub admin_token_file: Option<PathBuf>,
}

impl Reach {
    pub fn of(file: &Path) -> Reach {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let files = Files::new(&Sources { files: vec![(String::new(), text)] });
        let mut passed_over = Diags::new(&files);
        let root = files.0.first().and_then(|file| yaml::parse_up_to(usize::MAX, file, 0, &mut passed_over));
        let text = |keys: &[&str]| keys.iter().try_fold(root.as_ref()?, |node, key| node.child(key))?.scalar();
        let folder = file.parent().unwrap_or(Path::new("."));
        Reach {
            http: text(&["listen", "http"]).and_then(|http| http.parse().ok()),
            state_dir: text(&["state_dir"]).map(|path| folder.join(path)),
            admin_token_file: text(&["auth", "admin_token_file"]).map(|path| folder.join(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_found_although_its_file_has_become_faulty() {
        let folder = crate::test_folder::TestFolder::new("reach");
        let file = folder.join("hotline.yaml");
        std::fs::write(&file, "version: 9\nlisten: {http: 127.0.0.1:8090, htp: 1}\nstate_dir: /var/x\nqeues: []\n")
            .unwrap();
        let reach = Reach::of(&file);
        assert_eq!(reach.http, Some("127.0.0.1:8090".parse().unwrap()));
        assert_eq!(reach.state_dir, Some(PathBuf::from("/var/x")));
        assert_eq!(Reach::of(Path::new("not-there.yaml")), Reach::default());
    }
}
