# 1. Keep the state in the bucket
#    The region is part of the address, so that no other setting can lead elsewhere.
pulumi login 's3://myapp-pulumi-state-123456789012-us-east-1?region=us-east-1'

# 2. Make the stack, and tell it who it is
#    By stateBucket and stateKmsKeyArn the program lets the deploy role reach the state.
pulumi stack init production --secrets-provider='awskms://alias/myapp-pulumi-staging?region=us-east-1'
pulumi config set --stack production aws:region us-east-1
pulumi config set --stack production --path 'aws:allowedAccountIds[0]' --type string 123456789012
pulumi config set --stack production githubOwner example
pulumi config set --stack production githubRepository myapp
pulumi config set --stack production githubEnvironment production
pulumi config set --stack production stateBucket myapp-pulumi-state-123456789012-us-east-1
pulumi config set --stack production stateKmsKeyArn arn:aws:kms:us-east-1:123456789012:key/k

# 3. Deploy it once, with your own credentials
#    It makes the roles that GitHub's jobs take on. Images are named by their commit, so the configuration is committed first. staging runs the commit before, since this stack takes nothing else.
git add Pulumi.production.yaml && git commit --message 'Configure production'
make up STACK=staging
make preview STACK=production
make up STACK=production

# 4. Let jobs of the GitHub environment production deploy, from main, v* alone
#    The deploy role trusts a job that names this environment, so who may use the environment may deploy.
gh api --method PUT repos/example/myapp/environments/production -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true'
gh api --method POST repos/example/myapp/environments/production/deployment-branch-policies -f name=main -f type=branch
gh api --method POST repos/example/myapp/environments/production/deployment-branch-policies -f name='v*' -f type=tag
gh variable set AWS_REGION --repo example/myapp --env production --body us-east-1
gh variable set PULUMI_BACKEND_URL --repo example/myapp --env production --body 's3://myapp-pulumi-state-123456789012-us-east-1?region=us-east-1'
gh variable set DEPLOY_ROLE_ARN --repo example/myapp --env production --body arn:aws:iam::123456789012:role/myapp-production-deploy

# 5. If releases are to be told in Slack, give the webhook's address
#    gh asks for the value, so that it stands in no history of commands.
gh secret set SLACK_WEBHOOK_URL --repo example/myapp --env production

