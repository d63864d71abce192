//! What the configuration says of identity providers: `[[access.providers]]`.

use std::path::PathBuf;

use leadscore_api::provider::{Algorithm, JwksUrl, ProviderOptions, RoleMap, TokenType};
use leadscore_store::Role;
use serde::Deserialize;

/// Most providers.
const PROVIDERS_MAX: usize = 16;
/// Most entries of a list.
const LIST_MAX: usize = 64;
/// Longest text of an entry.
const TEXT_MAX_BYTES: usize = 256;
/// The claim with an address that providers vouch for by another claim.
const EMAIL: &str = "email";
const EMAIL_VERIFIED: &str = "email_verified";

const TEXT: &str = "must be 1 to 256 visible ASCII characters";
const LIST: &str = "must name from 1 to 64 texts of at most 256 bytes";

/// A provider whose access tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    // Those that must be given are empty where they are not, so that the check can name them.
    #[serde(default)]
    issuer: String,
    #[serde(default)]
    audience: String,
    #[serde(default)]
    jwks_url: String,
    #[serde(default = "algorithms")]
    algorithms: Vec<String>,
    #[serde(default = "token_types")]
    token_types: Vec<String>,
    #[serde(default)]
    scope: String,
    #[serde(default = "email")]
    user_claim: String,
    verified_claim: Option<String>,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    create_users: bool,
    roles: Option<Roles>,
    #[serde(default)]
    ca_file: String,
}

/// How a provider says what somebody may do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Roles {
    #[serde(default)]
    claim: Vec<String>,
    #[serde(default)]
    agent: Vec<String>,
    #[serde(default)]
    manager: Vec<String>,
    #[serde(default)]
    admin: Vec<String>,
}

fn algorithms() -> Vec<String> {
    Algorithm::DEFAULT.into_iter().map(|algorithm| algorithm.as_str().to_owned()).collect()
}

fn token_types() -> Vec<String> {
    vec!["at+jwt".to_owned(), "JWT".to_owned()]
}

fn email() -> String {
    EMAIL.to_owned()
}

/// A key of a provider, and what is wrong with it.
type Problem = (&'static str, String);

/// The providers as the API takes them; `own_issuer` is who issues tokens of our own.
///
/// # Errors
/// The key that is wrong, and why.
pub fn options(providers: &[Provider], own_issuer: &str) -> Result<Vec<ProviderOptions>, (String, String)> {
    if providers.len() > PROVIDERS_MAX {
        return Err(("access.providers".to_owned(), format!("must be at most {PROVIDERS_MAX}")));
    }
    let named = |index: usize, (key, problem): Problem| (format!("access.providers[{index}].{key}"), problem);
    let mut all: Vec<ProviderOptions> = Vec::with_capacity(providers.len());
    for (index, provider) in providers.iter().enumerate() {
        let options = provider.options().map_err(|problem| named(index, problem))?;
        if options.issuer == own_issuer || all.iter().any(|other| other.issuer == options.issuer) {
            let problem = "must differ from access.issuer and from other providers' issuers".to_owned();
            return Err(named(index, ("issuer", problem)));
        }
        all.push(options);
    }
    match overlap(&all) {
        Some((index, problem)) => Err(named(index, ("domains", problem))),
        None => Ok(all),
    }
}

/// The provider that could speak for the users of another one.
fn overlap(all: &[ProviderOptions]) -> Option<(usize, String)> {
    let bare = all.iter().position(|provider| provider.domains.is_empty()).filter(|_| all.len() > 1);
    if let Some(index) = bare {
        return Some((index, "must name the provider's domains where there are several providers".to_owned()));
    }
    all.iter().enumerate().find_map(|(index, provider)| {
        let mut others = all[..index].iter().flat_map(|other| &other.domains);
        let twice = others.find(|domain| provider.domains.contains(domain))?;
        Some((index, format!("`{twice}` is another provider's, too")))
    })
}

impl Provider {
    fn options(&self) -> Result<ProviderOptions, Problem> {
        self.check_texts()?;
        let jwks_url = self.jwks_url.parse::<JwksUrl>().map_err(|problem| ("jwks_url", problem.to_owned()))?;
        Ok(ProviderOptions {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            jwks_url,
            algorithms: self.algorithms()?,
            token_types: self.token_types()?,
            scope: Some(self.scope.clone()).filter(|scope| !scope.is_empty()),
            user_claim: self.user_claim.clone(),
            verified_claim: self.verified_claim()?,
            domains: self.domains()?,
            create_users: self.create_users,
            roles: self.roles.as_ref().map(Roles::map).transpose()?,
            ca_file: Some(PathBuf::from(&self.ca_file)).filter(|path| !path.as_os_str().is_empty()),
        })
    }

    fn check_texts(&self) -> Result<(), Problem> {
        let is_text =
            |text: &str| (1..=TEXT_MAX_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        for (key, text) in [("issuer", &self.issuer), ("audience", &self.audience), ("user_claim", &self.user_claim)] {
            if !is_text(text) {
                return Err((key, TEXT.to_owned()));
            }
        }
        if !self.scope.is_empty() && !is_text(&self.scope) {
            return Err(("scope", TEXT.to_owned()));
        }
        Ok(())
    }

    fn algorithms(&self) -> Result<Vec<Algorithm>, Problem> {
        let known = Algorithm::ALL.map(Algorithm::as_str).join(", ");
        let read = |name: &String| {
            name.parse::<Algorithm>().map_err(|()| ("algorithms", format!("`{name}` is none of {known}")))
        };
        let algorithms = self.algorithms.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if algorithms.is_empty() { Err(("algorithms", format!("must name some of {known}"))) } else { Ok(algorithms) }
    }

    fn token_types(&self) -> Result<Vec<TokenType>, Problem> {
        let problem = || ("token_types", "must name some of \"at+jwt\", \"JWT\" and \"\" for none".to_owned());
        let types: Result<Vec<_>, ()> = self.token_types.iter().map(|name| name.parse()).collect();
        types.ok().filter(|types| !types.is_empty()).ok_or_else(problem)
    }

    fn verified_claim(&self) -> Result<Option<String>, Problem> {
        let claim = match (&self.verified_claim, self.user_claim.as_str()) {
            (None, EMAIL) => EMAIL_VERIFIED,
            (None, _) => "",
            (Some(claim), _) => claim.as_str(),
        };
        if claim.is_empty() && self.user_claim == EMAIL {
            let problem = "must be a claim: anybody can have an unverified address as `email`".to_owned();
            return Err(("verified_claim", problem));
        }
        if claim.len() > TEXT_MAX_BYTES {
            return Err(("verified_claim", TEXT.to_owned()));
        }
        Ok(Some(claim.to_owned()).filter(|claim| !claim.is_empty()))
    }

    fn domains(&self) -> Result<Vec<String>, Problem> {
        if self.domains.len() > LIST_MAX {
            return Err(("domains", format!("must be at most {LIST_MAX}")));
        }
        let is_domain = |domain: &str| {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
            (1..=TEXT_MAX_BYTES).contains(&domain.len()) && domain.bytes().all(is_part)
        };
        match self.domains.iter().find(|domain| !is_domain(domain)) {
            Some(other) => Err(("domains", format!("`{other}` is no domain such as example.com"))),
            None => Ok(self.domains.iter().map(|domain| domain.to_ascii_lowercase()).collect()),
        }
    }
}

impl Roles {
    fn map(&self) -> Result<RoleMap, Problem> {
        let is_list = |list: &[String]| {
            list.len() <= LIST_MAX && list.iter().all(|text| (1..=TEXT_MAX_BYTES).contains(&text.len()))
        };
        if self.claim.is_empty() || !is_list(&self.claim) {
            return Err(("roles.claim", LIST.to_owned()));
        }
        let mut roles: Vec<(String, Role)> = Vec::new();
        for (key, names, role) in [
            ("roles.agent", &self.agent, Role::Agent),
            ("roles.manager", &self.manager, Role::Manager),
            ("roles.admin", &self.admin, Role::Admin),
        ] {
            if !is_list(names) {
                return Err((key, LIST.to_owned()));
            }
            if let Some(twice) = names.iter().find(|name| roles.iter().any(|(known, _)| known == *name)) {
                return Err((key, format!("`{twice}` gives another role, too")));
            }
            roles.extend(names.iter().map(|name| (name.clone(), role)));
        }
        if roles.is_empty() {
            return Err(("roles", "must name what gives a role: agent, manager or admin".to_owned()));
        }
        Ok(RoleMap { claim: self.claim.clone(), roles })
    }
}

#[cfg(test)]
mod tests {
    use leadscore_api::provider::{Algorithm, TokenType};
    use leadscore_store::Role;

    use crate::config::Config;

    const GOOD: &str = "[[access.providers]]\nissuer = \"https://id.example.com\"\naudience = \"https://leads.example.com\"\n\
                        jwks_url = \"https://id.example.com/jwks.json\"\n";

    fn with_file(text: &str) -> Result<Config, String> {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path())).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_provider_that_cannot_be_is_refused_in_a_line_that_names_its_key() {
        let other = GOOD.replace("id.example", "other.example");
        for (text, key) in [
            ("[[access.providers]]\n".to_owned(), "access.providers[0].issuer: must be"),
            (GOOD.replace("audience = \"https://leads.example.com\"\n", ""), "access.providers[0].audience: must be"),
            (GOOD.replace("https://id.example.com\"\na", "a b\"\na"), "access.providers[0].issuer: must be"),
            (GOOD.replace("https://id.example.com\"\na", "leadscore\"\na"), "access.providers[0].issuer: must differ"),
            (
                GOOD.replace("https://id.example.com/j", "http://id.example.com/j"),
                "[0].jwks_url: must begin with https",
            ),
            (GOOD.replace("https://id.example.com/j", "http://127.0.0.1.example.com/j"), "[0].jwks_url: must begin"),
            (GOOD.replace("https://id.example.com/j", "http://0x7f.1/j"), "[0].jwks_url: must begin"),
            (
                GOOD.replace("https://id.example.com/j", "https://a:b@id.example.com/j"),
                "[0].jwks_url: must be an address",
            ),
            (GOOD.replace("https://id.example.com/j", "file:///etc/j"), "access.providers[0].jwks_url: must be"),
            (GOOD.replace("jwks.json", "jwks.json#1"), "access.providers[0].jwks_url: must be"),
            (GOOD.replace("https://id.example.com/j", "/j"), "access.providers[0].jwks_url: must be"),
            (
                format!("{GOOD}algorithms = [\"HS256\"]"),
                "access.providers[0].algorithms: `HS256` is none of EdDSA, ES256",
            ),
            (format!("{GOOD}algorithms = [\"none\"]"), "access.providers[0].algorithms: `none`"),
            (format!("{GOOD}algorithms = [\"rs256\"]"), "access.providers[0].algorithms: `rs256`"),
            (format!("{GOOD}algorithms = []"), "access.providers[0].algorithms: must name"),
            (format!("{GOOD}token_types = [\"id+jwt\"]"), "access.providers[0].token_types: must name"),
            (format!("{GOOD}token_types = []"), "access.providers[0].token_types: must name"),
            (format!("{GOOD}scope = \"a b\""), "access.providers[0].scope: must be"),
            (format!("{GOOD}user_claim = \"\""), "access.providers[0].user_claim: must be"),
            (format!("{GOOD}verified_claim = \"\""), "access.providers[0].verified_claim: must be a claim"),
            (format!("{GOOD}domains = [\"@example.com\"]"), "access.providers[0].domains: `@example.com`"),
            (format!("{GOOD}{other}"), "access.providers[0].domains: must name"),
            (format!("{GOOD}domains = [\"a.de\"]\n{other}"), "access.providers[1].domains: must name"),
            (format!("{GOOD}domains = [\"a.de\"]\n{other}domains = [\"A.de\"]"), "access.providers[1].domains: `a.de`"),
            (
                format!("{GOOD}domains = [\"a.de\"]\n{GOOD}domains = [\"b.de\"]"),
                "access.providers[1].issuer: must differ",
            ),
            (format!("{GOOD}[access.providers.roles]\nadmin = [\"a\"]"), "access.providers[0].roles.claim: must name"),
            (format!("{GOOD}[access.providers.roles]\nclaim = [\"roles\"]"), "access.providers[0].roles: must name"),
            (
                format!("{GOOD}[access.providers.roles]\nclaim = [\"r\"]\nagent = [\"x\"]\nadmin = [\"x\"]"),
                "access.providers[0].roles.admin: `x`",
            ),
            (format!("{GOOD}[access.providers.roles]\nclaim = [\"r\"]\nowner = [\"x\"]"), "owner"),
            (format!("{GOOD}secret = \"x\""), "secret"),
            (format!("{GOOD}create_users = \"maybe\""), "create_users"),
        ] {
            let error = with_file(&text).unwrap_err();
            assert!(error.contains(key), "{error}\n{text}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        let many: String =
            (0..17).map(|i| GOOD.replace("id.", &format!("i{i}.")) + &format!("domains = [\"d{i}.de\"]\n")).collect();
        assert!(with_file(&many).unwrap_err().contains("access.providers: must be at most"));
    }

    #[test]
    fn what_is_left_out_has_a_safe_default() {
        let config = with_file(GOOD).unwrap();
        let provider = config.access.providers().unwrap().remove(0);
        assert_eq!(provider.algorithms, Algorithm::DEFAULT);
        assert_eq!(provider.token_types, [TokenType::AccessToken, TokenType::Jwt]);
        assert_eq!(
            (provider.user_claim.as_str(), provider.verified_claim.as_deref()),
            ("email", Some("email_verified"))
        );
        assert_eq!((provider.create_users, provider.roles, provider.scope), (false, None, None));
        assert!(with_file("").unwrap().access.providers().unwrap().is_empty());

        let upn = with_file(&format!("{GOOD}user_claim = \"upn\"\ndomains = [\"Example.com\"]")).unwrap();
        let upn = upn.access.providers().unwrap().remove(0);
        assert_eq!((upn.verified_claim, upn.domains), (None, vec!["example.com".to_owned()]));
        let text = "[access.providers.roles]\nclaim = [\"realm_access\", \"roles\"]\nmanager = [\"Lead Managers\"]";
        let roles = with_file(&format!("{GOOD}{text}")).unwrap().access.providers().unwrap().remove(0).roles.unwrap();
        assert_eq!(roles.claim, ["realm_access", "roles"]);
        assert_eq!(roles.roles, [("Lead Managers".to_owned(), Role::Manager)]);
        for local in ["http://127.0.0.1:8080/j", "http://[::1]:8080/j", "http://localhost/j"] {
            assert!(with_file(&GOOD.replace("https://id.example.com/jwks.json", local)).is_ok(), "{local}");
        }
    }

    /// The examples of the manual are the ones that work.
    #[test]
    fn the_examples_of_the_manual_are_taken() {
        let manual = include_str!("../../../../docs/ACCESS.md");
        let examples: Vec<&str> =
            manual.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert_eq!(examples.len(), 3);
        for example in examples {
            let config = with_file(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
            assert_eq!(config.access.providers().unwrap().len(), 1, "{example}");
        }
    }

    #[test]
    fn the_comments_of_the_defaults_show_every_key() {
        let commented: String = crate::config::DEFAULT_FILE
            .lines()
            .skip_while(|line| *line != "# [[access.providers]]")
            .take_while(|line| line.starts_with('#'))
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.starts_with('[') || line.contains(" = "))
            .map(|line| format!("{line}\n"))
            .collect();
        let config = with_file(&commented).unwrap_or_else(|error| panic!("{error}\n{commented}"));
        assert_eq!(config.access.providers().unwrap().len(), 1);
        for key in [
            "issuer",
            "audience",
            "jwks_url",
            "algorithms",
            "token_types",
            "scope",
            "user_claim",
            "verified_claim",
            "domains",
            "create_users",
            "ca_file",
            "claim",
            "agent",
            "manager",
            "admin",
        ] {
            assert!(commented.contains(&format!("{key} = ")), "{key}");
        }
    }
}
