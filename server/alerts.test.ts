/**
 * The alert rules of docs/operations.md, by Prometheus' own checker: they can be read, and each is
 * raised by what it is for, at the server that it is about.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'

const skip = spawnSync('promtool', ['--version']).error !== undefined && 'there is no promtool'

/** When it is looked: most rules wait for minutes. */
const MINUTES = 40

interface Raised {
  /** Of the server where something is wrong; `{}` stands for its labels. */
  readonly series: Readonly<Record<string, string>>
  /** Labels of the alert beside job and instance. */
  readonly labels?: Readonly<Record<string, string>>
  readonly minutes?: number
}

/** What raises each of them; a series is a value a minute. */
const CASES: Readonly<Record<string, Raised>> = {
  ClavigerDown: { series: { up: '0x1500' } },
  ClavigerDefect: {
    series: { 'claviger_requests_total{outcome="internal",operation="Get"}': '0+5x1500' },
  },
  ClavigerAltered: { series: { claviger_altered_reads_total: '0+1x1500' } },
  ClavigerCannotWrite: {
    series: { 'claviger_requests_total{outcome="storageUnavailable"}': '0+5x1500' },
  },
  ClavigerDiskNearlyFull: { series: { claviger_disk_free_bytes: '1000000000x1500' } },
  ClavigerSlow: {
    series: {
      'claviger_request_seconds_bucket{front="kmip",le="1"}': '0x1500',
      'claviger_request_seconds_bucket{front="kmip",le="5"}': '0+9x1500',
      'claviger_request_seconds_bucket{front="kmip",le="+Inf"}': '0+9x1500',
    },
    labels: { front: 'kmip' },
  },
  ClavigerHsmAway: {
    series: { 'claviger_hsm_state{keystore="main",state="running"}': '0x1500' },
    labels: { keystore: 'main', state: 'running' },
  },
  ClavigerHsmOfGroupAway: {
    series: { 'claviger_hsm_member_state{keystore="main",member="2",state="running"}': '0x1500' },
    labels: { keystore: 'main', member: '2', state: 'running' },
  },
  ClavigerConnectionsNearlyAll: {
    series: {
      'claviger_connections{front="kmip"}': '1999x1500',
      'claviger_limit{name="connectionsMax"}': '2000x1500',
    },
  },
  ClavigerFilesNearlyAll: {
    series: { process_open_fds: '99x1500', process_max_fds: '100x1500' },
  },
  ClavigerStrangers: {
    series: { 'claviger_connections_refused_total{front="kmip"}': '0+120x1500' },
  },
  ClavigerCertificateEnds: {
    series: {
      'claviger_certificate_expiry_timestamp_seconds{certificate="server-ec"}': '86400x1500',
    },
    labels: { certificate: 'server-ec' },
  },
  ClavigerAuthorityEnds: {
    series: {
      'claviger_certificate_expiry_timestamp_seconds{certificate="authority"}': '8640000x1500',
    },
    labels: { certificate: 'authority' },
  },
  ClavigerCredentialEnds: {
    series: { claviger_credential_next_expiry_timestamp_seconds: '86400x1500' },
  },
  ClavigerWireLogOn: { series: { claviger_wirelog_clients: '1x1500' }, minutes: 24 * 60 + 30 },
}

/** Everything is as it should be at the other server. */
const FINE = {
  up: '1x1500',
  'claviger_requests_total{outcome="success"}': '0+5x1500',
  'claviger_connections{front="kmip"}': '3x1500',
  'claviger_limit{name="connectionsMax"}': '2000x1500',
  'claviger_hsm_state{keystore="main",state="running"}': '1x1500',
  claviger_altered_reads_total: '0x1500',
  claviger_disk_free_bytes: '100000000000x1500',
}

/** Alerts of which the instance alone says what they are about. */
const SUMS = new Set(['ClavigerDefect', 'ClavigerCannotWrite', 'ClavigerSlow', 'ClavigerStrangers'])

function at(series: Readonly<Record<string, string>>, instance: string) {
  return Object.entries(series).map(([name, values]) => {
    const [, metric, labels] = /^(\w+)\{?(.*?)\}?$/.exec(name) as unknown as readonly string[]
    const all = [labels, `instance="${instance}"`, 'job="claviger"'].filter((one) => one !== '')
    return { series: `${metric}{${all.join(',')}}`, values }
  })
}

describe('the alert rules', { timeout: 60_000, skip }, () => {
  const page = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8')
  const [, rules = ''] = /```yaml\n(groups:.*?)```/s.exec(page) ?? []

  it('are read by Prometheus, and raised where something is wrong, and only there', () => {
    const names = [...rules.matchAll(/alert: (\w+)/g)].map(([, name]) => name)
    deepEqual(names.toSorted(), Object.keys(CASES).toSorted())
    const tests = Object.entries(CASES).map(([alertname, { series, labels = {}, minutes }]) => ({
      interval: '1m',
      input_series: [...at(series, 'ill'), ...at(FINE, 'well')],
      alert_rule_test: [
        {
          eval_time: `${minutes ?? MINUTES}m`,
          alertname,
          exp_alerts: [{ exp_labels: { instance: 'ill', ...jobOf(alertname), ...labels } }],
        },
      ],
    }))
    const folder = mkdtempSync(join(tmpdir(), 'claviger-alerts-'))
    try {
      writeFileSync(join(folder, 'rules.yml'), rules)
      writeFileSync(
        join(folder, 'tests.yml'),
        JSON.stringify({ rule_files: ['rules.yml'], evaluation_interval: '1m', tests }),
      )
      for (const words of ['check rules rules.yml', 'test rules tests.yml']) {
        const { status, stdout, stderr } = spawnSync('promtool', words.split(' '), {
          cwd: folder,
          encoding: 'utf8',
        })
        equal(status, 0, stdout + stderr)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

/** What is summed up has no job any more. */
function jobOf(alertname: string): { readonly job?: string } {
  return SUMS.has(alertname) ? {} : { job: 'claviger' }
}
