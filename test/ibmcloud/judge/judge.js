// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Drives the stand-in with IBM's clients, and writes a line for each operation: its name, and the status that it got. It is
// told on standard input, as JSON, where the stand-in listens and what to log in with: {port, account, owner, puller}.
import assert from 'node:assert/strict';
import dns from 'node:dns';
import fs from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { IamAuthenticator } = require('ibm-cloud-sdk-core');
const IamIdentity = require('@ibm-cloud/platform-services/iam-identity/v1.js');
const IamPolicies = require('@ibm-cloud/platform-services/iam-policy-management/v1.js');
const ResourceManager = require('@ibm-cloud/platform-services/resource-manager/v2.js');
const Registry = require('@ibm-cloud/ibm-container-registry/dist/container-registry/v1.js');

const told = JSON.parse(fs.readFileSync(0, 'utf8'));

// All names lead to the stand-in.
dns.lookup = (_host, options, done) => {
  if (options.all) done(null, [{ address: '127.0.0.1', family: 4 }]);
  else done(null, '127.0.0.1', 4);
};
const at = (host) => `https://${host}:${told.port}`;
const login = (apikey) => new IamAuthenticator({ apikey, url: at('iam.cloud.ibm.com') });

const clients = (apikey) => {
  const authenticator = login(apikey);
  return {
    identity: new IamIdentity({ authenticator, serviceUrl: at('iam.cloud.ibm.com') }),
    policies: new IamPolicies({ authenticator, serviceUrl: at('iam.cloud.ibm.com') }),
    groups: new ResourceManager({ authenticator, serviceUrl: at('resource-controller.cloud.ibm.com') }),
    registry: new Registry({ authenticator, serviceUrl: at('us.icr.io'), account: told.account }),
  };
};
const owner = clients(told.owner);
const puller = clients(told.puller);

const line = (name, status) => process.stdout.write(`${name} ${status}\n`);

// did runs an operation that has to succeed, and returns its result.
async function did(name, promise) {
  const answer = await promise;
  line(name, answer.status);
  return answer.result;
}

// refused runs one that has to fail, and returns what the client makes of the answer.
async function refused(name, promise) {
  try {
    await promise;
  } catch (error) {
    line(name, error.status);
    return error;
  }
  throw new Error(`${name} was not refused`);
}

const attributes = (on) => Object.entries(on).map(([key, value]) => ({ key, operator: 'stringEquals', value }));

async function identities({ identity }) {
  const made = await did('createServiceId', identity.createServiceId({ accountId: told.account, name: 'judged', description: 'uid=1' }));
  assert.equal(made.iam_id, `iam-${made.id}`);
  const listed = await did('listServiceIds', identity.listServiceIds({ accountId: told.account, name: 'judged', pagesize: 100 }));
  assert.deepEqual(listed.serviceids.map((s) => s.id), [made.id]);
  const got = await did('getServiceId', identity.getServiceId({ id: made.id }));
  await did('updateServiceId', identity.updateServiceId({ id: made.id, ifMatch: got.entity_tag, description: 'uid=2' }));
  await did('lockServiceId', identity.lockServiceId({ id: made.id }));
  await did('unlockServiceId', identity.unlockServiceId({ id: made.id }));
  return made;
}

async function keys({ identity }, { iam_id: iamId }) {
  const value = 'a-value-that-the-judge-has-chosen-for-a-key';
  const made = await did('createApiKey', identity.createApiKey({
    name: 'judged', iamId, accountId: told.account, apikey: value, storeValue: false, actionWhenLeaked: 'disable',
    expiresAt: '2049-01-02T18:30:00+0000', entityLock: 'true',
  }));
  assert.ok(made.apikey === value);
  const { id } = made;
  await refused('createApiKey', identity.createApiKey({ name: 'again', iamId, apikey: value }));
  const listed = await did('listApiKeys', identity.listApiKeys({ accountId: told.account, iamId, pagesize: 1 }));
  assert.deepEqual(listed.apikeys.map((k) => k.id), [id]);
  const got = await did('getApiKey', identity.getApiKey({ id, includeActivity: true }));
  assert.equal(got.activity.authn_count, 0);
  const described = await did('getApiKeysDetails', identity.getApiKeysDetails({ iamApiKey: value }));
  assert.equal(described.id, id);
  await did('getApiKeysDetails', puller.identity.getApiKeysDetails({ iamApiKey: told.puller }));
  await refused('getApiKeysDetails', puller.identity.getApiKeysDetails({ iamApiKey: value }));
  await refused('deleteApiKey', identity.deleteApiKey({ id }));
  await did('unlockApiKey', identity.unlockApiKey({ id }));
  await did('lockApiKey', identity.lockApiKey({ id }));
  await did('unlockApiKey', identity.unlockApiKey({ id }));
  await did('updateApiKey', identity.updateApiKey({ id, ifMatch: '*', description: 'judged twice' }));
  await login(value).authenticate({ headers: {} });
  await did('disableApiKey', identity.disableApiKey({ id }));
  const rejected = await refused('authenticate', login(value).authenticate({ headers: {} }));
  assert.match(String(rejected.message), /API key|Bad Request|400/);
  await did('enableApiKey', identity.enableApiKey({ id }));
  const used = await did('getApiKey', identity.getApiKey({ id, includeActivity: true }));
  assert.equal(used.activity.authn_count, 1);
  await did('deleteApiKey', identity.deleteApiKey({ id }));
  await refused('getApiKey', identity.getApiKey({ id }));
  const limits = await did('getAccountLimits', identity.getAccountLimits({ accountId: told.account, apikeysPerIdentity: iamId }));
  assert.equal(limits.apikeys_per_identity.limit, 20);
  assert.deepEqual(limits.apikeys_per_identity.identities, [{ iam_id: iamId, count: 0 }]);
}

async function policies({ policies: api }, { iam_id: iamId }) {
  const roles = await did('listRoles', api.listRoles({ accountId: told.account, serviceName: 'container-registry', policyType: 'access' }));
  const role = (name) => roles.service_roles.find((r) => r.display_name === name).crn;
  const policy = (...names) => ({
    type: 'access',
    description: 'judged',
    control: { grant: { roles: names.map((name) => ({ role_id: role(name) })) } },
    subject: { attributes: attributes({ iam_id: iamId }) },
    resource: {
      attributes: attributes({
        accountId: told.account, serviceName: 'container-registry', region: 'us-south', resourceType: 'namespace', resource: 'judged',
      }),
    },
  });
  const { id } = await did('createV2Policy', api.createV2Policy(policy('Reader')));
  const conflict = await refused('createV2Policy', api.createV2Policy(policy('Reader')));
  assert.equal(conflict.result.errors[0].details.conflicts_with.policy.id, id);
  const got = await api.getV2Policy({ id });
  line('getV2Policy', got.status);
  assert.equal(got.result.state, 'active');
  await did('replaceV2Policy', api.replaceV2Policy({ id, ifMatch: got.headers.etag, ...policy('Reader', 'Writer') }));
  const pager = new IamPolicies.V2PoliciesPager(api, { accountId: told.account, iamId, serviceName: 'container-registry', limit: 1 });
  assert.deepEqual((await pager.getAll()).map((p) => p.id), [id]);
  const nothing = await did('listV2Policies', puller.policies.listV2Policies({ accountId: told.account }));
  assert.deepEqual(nothing.policies, []);
  await refused('createV2Policy', puller.policies.createV2Policy(policy('Writer')));
  await did('deleteV2Policy', api.deleteV2Policy({ id }));
}

async function registry({ registry: api, groups }) {
  const found = await did('listResourceGroups', groups.listResourceGroups({ accountId: told.account, _default: true }));
  const name = 'judged';
  const xAuthResourceGroup = found.resources[0].id;
  await did('getMessages', api.getMessages());
  await did('createNamespace', api.createNamespace({ name, xAuthResourceGroup }));
  const again = await did('createNamespace', api.createNamespace({ name }));
  assert.equal(again.namespace, name);
  const names = await did('listNamespaces', api.listNamespaces());
  assert.deepEqual(names, [name]);
  const details = await did('listNamespaceDetails', api.listNamespaceDetails());
  assert.equal(details[0].resource_group, xAuthResourceGroup);
  await refused('assignNamespace', api.assignNamespace({ name, xAuthResourceGroup }));
  assert.deepEqual(await did('listImages', api.listImages({ namespace: name })), []);
  const quota = await did('getQuota', api.getQuota());
  assert.equal(quota.limit.storage_bytes, -1);
  await did('getPlans', api.getPlans());
  await did('getAuth', api.getAuth());
  await did('getSettings', api.getSettings());
  assert.deepEqual(await did('listNamespaces', puller.registry.listNamespaces()), []);
  await refused('createNamespace', puller.registry.createNamespace({ name: 'another' }));
  await did('deleteNamespace', api.deleteNamespace({ name }));
}

const made = await identities(owner);
await keys(owner, made);
await policies(owner, made);
await registry(owner);
await refused('deleteServiceId', owner.identity.deleteServiceId({ id: made.id }));
await did('deleteServiceId', owner.identity.deleteServiceId({ id: made.id }));
