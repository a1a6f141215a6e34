// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"

	runtimeclient "github.com/go-openapi/runtime/client"
	"github.com/goharbor/go-client/pkg/harbor"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/project"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/robot"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/user"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/models"
)

func main() {
	if err := judge(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Getenv("HARBOR_PASSWORD")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(ctx context.Context, address, caFile, user, password string) error {
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	at, err := url.Parse(address)
	if err != nil {
		return err
	}
	config := harbor.Config{
		URL: at, AuthInfo: runtimeclient.BasicAuth(user, password),
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
	}
	return run(ctx, client.New(config.ToV2Config()))
}

func run(ctx context.Context, api *client.HarborAPI) error {
	byName := true
	found, err := api.Project.GetProject(ctx, project.NewGetProjectParams().WithProjectNameOrID("plant").WithXIsResourceName(&byName))
	if err != nil {
		return fmt.Errorf("get the project: %w", err)
	}
	if err := tellRights(ctx, api, found.Payload.ProjectID); err != nil {
		return err
	}
	made, err := api.Robot.CreateRobot(ctx, robot.NewCreateRobotParams().WithRobot(&models.RobotCreate{
		Name: "judged", Description: "by go-client", Level: "project", Duration: 7, Secret: "Given-secret-1",
		Permissions: []*models.RobotPermission{{Kind: "project", Namespace: "plant", Access: []*models.Access{{Resource: "repository", Action: "pull"}}}},
	}))
	if err != nil {
		return fmt.Errorf("create a robot: %w", err)
	}
	if made.Payload.Secret == "Given-secret-1" || made.Payload.Secret == "" {
		return errors.New("the given secret was taken, or there is none")
	}
	query := "Level=project,ProjectID=" + strconv.Itoa(int(found.Payload.ProjectID))
	listed, err := api.Robot.ListRobot(ctx, robot.NewListRobotParams().WithQ(&query))
	if err != nil {
		return fmt.Errorf("list the robots: %w", err)
	}
	fmt.Println("listed", len(listed.Payload), listed.XTotalCount)
	read, err := api.Robot.GetRobotByID(ctx, robot.NewGetRobotByIDParams().WithRobotID(made.Payload.ID))
	if err != nil {
		return fmt.Errorf("read the robot: %w", err)
	}
	fmt.Println("read", read.Payload.Name, read.Payload.Duration, read.Payload.Level, read.Payload.Permissions[0].Access[0].Action)
	changed := read.Payload
	changed.Disable = true
	if _, err := api.Robot.UpdateRobot(ctx, robot.NewUpdateRobotParams().WithRobotID(changed.ID).WithRobot(changed)); err != nil {
		return fmt.Errorf("disable the robot: %w", err)
	}
	fresh, err := api.Robot.RefreshSec(ctx, robot.NewRefreshSecParams().WithRobotID(changed.ID).WithRobotSec(&models.RobotSec{}))
	if err != nil {
		return fmt.Errorf("refresh the secret: %w", err)
	}
	if fresh.Payload.Secret == made.Payload.Secret || fresh.Payload.Secret == "" {
		return errors.New("the secret is the same as before, or there is none")
	}
	if _, err := api.Robot.DeleteRobot(ctx, robot.NewDeleteRobotParams().WithRobotID(changed.ID)); err != nil {
		return fmt.Errorf("delete the robot: %w", err)
	}
	var gone *robot.GetRobotByIDNotFound
	if _, err = api.Robot.GetRobotByID(ctx, robot.NewGetRobotByIDParams().WithRobotID(changed.ID)); !errors.As(err, &gone) {
		return fmt.Errorf("a robot that was deleted is there: %w", err)
	}
	fmt.Println("gone", gone.Payload.Errors[0].Code)
	return nil
}

// tellRights prints what the account is told that it may do with robots.
func tellRights(ctx context.Context, api *client.HarborAPI, number int32) error {
	scope, relative := fmt.Sprintf("/project/%d", number), true
	answer, err := api.User.GetCurrentUserPermissions(ctx, user.NewGetCurrentUserPermissionsParams().WithScope(&scope).WithRelative(&relative))
	if err != nil {
		return fmt.Errorf("see what the account may do: %w", err)
	}
	for _, one := range answer.Payload {
		if one.Resource == "robot" {
			fmt.Println("may", one.Action)
		}
	}
	return nil
}
