# Log in to a NixOS host with OpenID Connect identities.
#
#   imports = [ ./module.nix ];
#   services.opkssh = {
#     enable = true;
#     package = pkgs.callPackage ./opkssh.nix { };   # with bin/verifier
#     providers = [ { issuer = "https://sso.example.com"; clientId = "opkssh"; expiration = "12h"; } ];
#     rules = [ { user = "root"; identity = "alice@example.com"; issuer = "https://sso.example.com"; } ];
#     settings.deny_emails = [ "mallory@example.com" ];
#   };
{ config, lib, pkgs, ... }:
let
  cfg = config.services.opkssh;
  inherit (lib) mkEnableOption mkIf mkOption types;

  # A file with a mode of its own is copied to /etc. Links into the store would not do: its build users may write to that folder, and
  # so neither sshd runs what is there, nor does the verifier believe it.
  program = "/etc/ssh/opkssh-verifier";
  readable = source: { inherit source; group = "opksshuser"; mode = "0640"; };

  word = lib.escapeShellArg;
  provider = p: lib.concatStringsSep " " (map word ([ p.issuer p.clientId p.expiration ] ++ p.options));
  rule = r: lib.concatStringsSep " " (map word [ r.user r.identity r.issuer ] ++ lib.optional (r.limits != "") r.limits);
  lines = list: lib.concatStrings (map (line: line + "\n") list);

  # YAML is a superset of JSON.
  configFile = builtins.toJSON (cfg.settings // { home_policy = cfg.homeRules; });

  # What the verifier could not use ends the build, and not the logins.
  checked = kind: name: text:
    pkgs.runCommand "opkssh-${name}" { inherit text; passAsFile = [ "text" ]; } ''
      ${cfg.package}/bin/verifier check --as ${kind} "$textPath"
      cp "$textPath" $out
    '';

  text = default: mkOption { type = types.str; inherit default; };
  required = mkOption { type = types.str; };
in
{
  options.services.opkssh = {
    enable = mkEnableOption "logins with OpenID Connect identities";
    package = mkOption {
      type = types.package;
      description = "What has bin/verifier.";
    };
    providers = mkOption {
      default = [ ];
      description = "Which OpenID providers are believed, and for how long a login lasts.";
      type = types.listOf (types.submodule {
        options = {
          issuer = required;
          clientId = required;
          expiration = text "24h";
          options = mkOption { type = types.listOf types.str; default = [ ]; };
        };
      });
    };
    rules = mkOption {
      default = [ ];
      description = "Who may log in as which user.";
      type = types.listOf (types.submodule {
        options = {
          user = required;
          identity = required;
          issuer = required;
          limits = text "";
        };
      });
    };
    settings = mkOption {
      default = { };
      description = "Members of config.yml.";
      type = types.attrs;
    };
    homeRules = mkOption {
      default = true;
      description = "Rules in users' home folders count.";
      type = types.bool;
    };
  };

  config = mkIf cfg.enable {
    users.users.opksshuser = { isSystemUser = true; group = "opksshuser"; description = "OpenID Connect logins"; };
    users.groups.opksshuser = { };

    environment.etc = {
      "opk/providers" = readable (checked "providers" "providers" (lines (map provider cfg.providers)));
      "opk/auth_id" = readable (checked "auth_id" "auth_id" (lines (map rule cfg.rules)));
      "opk/config.yml" = readable (checked "config" "config.yml" configFile);
      "ssh/opkssh-verifier" = { source = "${cfg.package}/bin/verifier"; mode = "0555"; };
    };

    systemd.tmpfiles.rules = [ "d /var/cache/opkssh 0700 opksshuser opksshuser -" ];

    services.openssh = {
      authorizedKeysCommand = "${program} verify %u %k %t";
      authorizedKeysCommandUser = "opksshuser";
    };

    security.sudo.extraRules = mkIf cfg.homeRules [
      {
        users = [ "opksshuser" ];
        runAs = "root";
        commands = [ { command = "${program} readhome *"; options = [ "NOPASSWD" ]; } ];
      }
    ];

    systemd.services.opkssh-keys = {
      description = "Refresh the keys of the OpenID providers that sshd's verifier believes";
      after = [ "network-online.target" ];
      wants = [ "network-online.target" ];
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "${program} keys refresh --all";
        User = "opksshuser";
        Group = "opksshuser";
        TimeoutStartSec = "5min";
        UMask = "0077";
        # As in policies/host/opkssh-keys.service.
        ProtectSystem = "strict";
        ReadWritePaths = "/var/cache/opkssh";
        NoNewPrivileges = true;
        CapabilityBoundingSet = "";
        AmbientCapabilities = "";
        PrivateTmp = true;
        PrivateDevices = true;
        PrivateMounts = true;
        PrivateUsers = true;
        ProtectHome = true;
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        ProcSubset = "pid";
        RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        RemoveIPC = true;
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        SystemCallArchitectures = "native";
        SystemCallFilter = [ "@system-service" "~@privileged @resources" ];
        SystemCallErrorNumber = "EPERM";
      };
    };
    systemd.timers.opkssh-keys = {
      wantedBy = [ "timers.target" ];
      timerConfig = { OnBootSec = "2min"; OnUnitActiveSec = "30min"; RandomizedDelaySec = "10min"; };
    };
  };
}
