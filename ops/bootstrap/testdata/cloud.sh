# 1. Log in to Pulumi Cloud, which keeps the state
pulumi login

# 2. Make the stack, and tell it who it is
pulumi stack init acme/staging
pulumi config set --stack acme/staging aws:region us-east-1
pulumi config set --stack acme/staging --path 'aws:allowedAccountIds[0]' --type string 012345678901
pulumi config set --stack acme/staging githubOwner example
pulumi config set --stack acme/staging githubRepository myapp
pulumi config set --stack acme/staging githubEnvironment staging

# 3. Deploy it once, with your own credentials
#    It makes the roles that GitHub's jobs take on. Images are named by their commit, so the configuration is committed first.
git add Pulumi.staging.yaml && git commit --message 'Configure staging'
make preview STACK=acme/staging
make up STACK=acme/staging

# 4. Let jobs of the GitHub environment staging deploy, from main alone
#    The deploy role trusts a job that names this environment, so who may use the environment may deploy.
gh api --method PUT repos/example/myapp/environments/staging -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true'
gh api --method POST repos/example/myapp/environments/staging/deployment-branch-policies -f name=main -f type=branch
gh variable set AWS_REGION --repo example/myapp --env staging --body us-east-1
gh variable set PULUMI_BACKEND_URL --repo example/myapp --env staging --body https://api.pulumi.com
gh variable set DEPLOY_ROLE_ARN --repo example/myapp --env staging --body "$(pulumi stack output deployRoleArn --stack acme/staging)"

# 5. Let pull requests be previewed
#    Their jobs name no environment, so they read the variables of the repository. The preview role may read, and no more.
gh variable set AWS_REGION --repo example/myapp --body us-east-1
gh variable set PULUMI_BACKEND_URL --repo example/myapp --body https://api.pulumi.com
gh variable set PREVIEW_ROLE_ARN --repo example/myapp --body "$(pulumi stack output previewRoleArn --stack acme/staging)"

# 6. Give the jobs a token of Pulumi Cloud, and, if releases are to be told in Slack, the webhook's address
#    gh asks for the value, so that it stands in no history of commands.
gh secret set PULUMI_ACCESS_TOKEN --repo example/myapp
gh secret set PULUMI_ACCESS_TOKEN --repo example/myapp --env staging
gh secret set SLACK_WEBHOOK_URL --repo example/myapp --env staging

